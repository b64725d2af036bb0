// Guard pages around each memory: what is out of bounds is a SIGSEGV that V8 handles.
const code = new Uint8Array([0,97,115,109,1,0,0,0,1,6,1,96,1,127,1,127,3,2,1,0,5,3,1,0,1,7,8,1,4,108,111,97,100,0,0,10,9,1,7,0,32,0,40,2,0,11]);
const load = new WebAssembly.Instance(new WebAssembly.Module(code)).exports.load;
let traps = 0;
for (let i = 0; i < 2000; i++) try { load(i % 2 ? 16 : 65533 + i * 4096); } catch (e) { if (e instanceof WebAssembly.RuntimeError) traps++; }
console.log(traps);
