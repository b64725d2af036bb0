use std::collections::HashMap;
use std::thread;
fn main() {
    let mut m = HashMap::new();
    for i in 0u64..200000 { m.insert(i * 7919 % 100003, format!("v{}", i)); }
    println!("{} {}", m.len(), m.iter().map(|(k, v)| k * v.len() as u64).sum::<u64>());
    let t: Vec<_> = (0..4).map(|n| thread::spawn(move || (0..100000u64).map(|i| i % (n + 3)).sum::<u64>())).collect();
    println!("{:?}", t.into_iter().map(|h| h.join().unwrap()).collect::<Vec<_>>());
    println!("{}", std::panic::catch_unwind(|| { let v: Vec<i32> = vec![]; v[std::env::args().count()] }).is_err());
}
