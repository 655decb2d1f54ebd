// Validates one WGSL file with Dawn's null backend: node -e SCRIPT -- FILE.
const { readFileSync } = require('node:fs');
const { pathToFileURL } = require('node:url');

(async () => {
  const { create, globals } = await import(pathToFileURL(require.resolve('webgpu')));
  Object.assign(globalThis, globals);
  const adapter = await create(['backend=null']).requestAdapter();
  // Without f16 and subgroups Dawn refuses shaders that ask for them, as a browser on lesser hardware does; umbra
  // compiles those only where the device has them.
  const wanted = ['shader-f16', 'subgroups'].filter((f) => adapter.features.has(f));
  const device = await adapter.requestDevice({ requiredFeatures: wanted });
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: readFileSync(process.argv[1], 'utf8') });
  const { messages } = await module.getCompilationInfo();
  const error = await device.popErrorScope();
  for (const m of messages) console.log(`${m.lineNum}:${m.linePos} ${m.type}: ${m.message}`);
  if (error && messages.length === 0) console.log(error.message);
  process.exit(error ? 1 : 0);
})().catch((e) => {
  console.log(String(e));
  process.exit(1);
});
