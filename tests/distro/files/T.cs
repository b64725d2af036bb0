using System; using System.Collections.Generic;
class T { class N { public int v; }
static void Main() { var m = new Dictionary<int, string>(); for (int i = 0; i < 100000; i++) m[i * 7919 % 50021] = "v" + i;
long s = 0; foreach (var e in m) s += e.Key * e.Value.Length; Console.WriteLine(m.Count + " " + s);
int n = 0; N p = null; for (int i = 0; i < 100; i++) try { p.v++; } catch (NullReferenceException) { n++; } Console.WriteLine(n); } }
