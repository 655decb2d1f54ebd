// PeakFMA multiplies and adds in registers: STEPS turns of 16 independent vectors of 4 a lane. Grid: LANES / 64 workgroups.
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let i = (wid.x + wid.y * nwg.x) * 64u + local;
	if (i >= LANES) { return; }
	let a = y[i] * 0.5 + vec4<f32>(0.25);
	let b = vec4<f32>(f32(i) * 1e-9);
{%- range $j := seq 16 %}
	var v{% $j %} = b + vec4<f32>({% $j %}.0);
{%- end %}
	for (var s = 0u; s < STEPS; s++) {
{%- range $j := seq 16 %}
		v{% $j %} = fma(v{% $j %}, a, b);
{%- end %}
	}
	y[i] = {% range $j := seq 16 %}{% if $j %} + {% end %}v{% $j %}{% end %};
}
