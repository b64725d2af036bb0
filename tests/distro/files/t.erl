#!/usr/bin/env escript
%% SPDX-License-Identifier: MIT
work(N) ->
    lists:sum([I rem (N + 3) || I <- lists:seq(1, 2000)]).
main(_) ->
    P = self(),
    Ns = lists:seq(1, 2000),
    [spawn(fun() -> P ! work(N) end) || N <- Ns],
    io:format("~p~n", [lists:sum([receive X -> X end || _ <- Ns])]).
