import java.util.*;
import java.util.concurrent.*;
public class T {
	static int depth(int n) { return depth(n + 1) + 1; }
	public static void main(String[] a) throws Exception {
		Map<Integer, String> m = new HashMap<>();
		for (int i = 0; i < 200000; i++) m.put(i * 7919 % 100003, "v" + i);
		long s = 0; for (var e : m.entrySet()) s += e.getKey() * (long) e.getValue().length();
		System.out.println(m.size() + " " + s);
		int nulls = 0; String none = a.length > 5 ? "x" : null;
		for (int i = 0; i < 100000; i++) try { nulls += none.length(); } catch (NullPointerException e) { nulls++; }
		System.out.println(nulls);
		try { depth(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
		ExecutorService ex = Executors.newFixedThreadPool(4);
		List<Future<Integer>> f = new ArrayList<>();
		for (int k = 0; k < 8; k++) { final int n = k; f.add(ex.submit(() -> { byte[][] g = new byte[50][]; int h = 0; for (int i = 0; i < 2000; i++) { g[i % 50] = new byte[20000]; g[i % 50][i] = (byte) n; h += g[i % 50][i]; } return h; })); }
		int t = 0; for (var x : f) t += x.get();
		ex.shutdown(); System.out.println(t); System.gc();
	}
}
