// PeakCopy copies vectors, one a lane. Grid: ceil(vectors / 256) workgroups.
{% .Binding %} var<storage, read> src: array<vec4<u32>>;
{% .Binding %} var<storage, read_write> dst: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let i = (wid.x + wid.y * nwg.x) * 256u + local;
	if (i < arrayLength(&dst)) { dst[i] = src[i]; }
}
