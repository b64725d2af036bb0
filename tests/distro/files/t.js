const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
function work(n) {
  const m = new Map(); let x = 1;
  for (let i = 0; i < n; i++) { x = (Math.imul(x, 1103515245) + 12345) >>> 1; m.set(x % 100003, { i, s: 'v' + i }); }
  let h = 0; for (const [k, v] of m) h = (Math.imul(h, 31) + k + v.i) | 0;
  return [m.size, h];
}
if (!isMainThread) parentPort.postMessage(work(workerData));
else {
  console.log(work(300000).join(' '));
  const b = Buffer.alloc(8 << 20, 'abc'); let c = 0; for (let i = 0; i < b.length; i += 4097) c += b[i]; console.log(c);
  let left = 2; const out = {};
  for (const n of [50000, 60000]) new Worker(__filename, { workerData: n }).on('message', r => { out[n] = r.join(' '); }).on('exit', () => { if (!--left) console.log(JSON.stringify(out)); });
}
