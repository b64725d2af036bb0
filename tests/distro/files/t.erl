#!/usr/bin/env escript
main(_) ->
    P = self(),
    [spawn(fun() -> P ! lists:sum([I rem (N + 3) || I <- lists:seq(1, 2000)]) end) || N <- lists:seq(1, 2000)],
    io:format("~p~n", [lists:sum([receive X -> X end || _ <- lists:seq(1, 2000)])]).
