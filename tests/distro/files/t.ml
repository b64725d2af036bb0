let () =
  let h = Hashtbl.create 16 in
  for i = 0 to 150000 do Hashtbl.replace h (i * 7919 mod 50021) (string_of_int i) done;
  Printf.printf "%d %d\n" (Hashtbl.length h) (Hashtbl.fold (fun k v s -> s + k + String.length v) h 0);
  let rec deep n = 1 + deep (n + 1) in
  (try ignore (deep 0) with Stack_overflow -> print_endline "overflow");
  let l = ref [] in
  for i = 0 to 500000 do l := Array.make 10 i :: !l; if i mod 5000 = 0 then l := [] done;
  Gc.compact (); Printf.printf "%d\n" (List.length !l)
