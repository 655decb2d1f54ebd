{%- define "linear_bindings" %}
{%- .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{% .Binding %} var<storage, read> wq: array<vec4<u32>>;
{%- if .HasScales %}
{% .Binding %} var<storage, read> ws: array<u32>;
{%- end %}
{% .Binding %} var<storage, read_write> y: array<f32>;
{%- if .Norm %}
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{%- end %}
{%- if .Bias %}
{% .Binding %} var<storage, read> bias: array<f32>;
{%- end %}
{% template "finish" . %}
{%- end %}

{%- define "finish" %}
{%- if .Gate %}{% template "activation" . %}{% end %}
// finish stores output n of token t.
fn finish(t: u32, n: u32, value: f32) {
	let i = t * Y_STRIDE + Y_OFFSET + n;
	y[i] = {% if .Residual %}y[i] + {% end %}value{% if .Bias %} + bias[Y_OFFSET + n]{% end %};
}
{%- end %}

{%- define "store" %}
// store finishes weight rows n .. n + PER_LANE - 1 of token t, as far as they are there.
fn store(t: u32, n: u32, v: vec4<f32>) {
{%- if .Gate %}
	if (n < N) { finish(t, n / 2u, activation(v.x) * v.y); }
{%- if eq .PerLane 4 %}
	if (n + 2u < N) { finish(t, n / 2u + 1u, activation(v.z) * v.w); }
{%- end %}
{%- else %}
	if (n < N) { finish(t, n, v.x); }
{%- if ge .PerLane 2 %}
	if (n + 1u < N) { finish(t, n + 1u, v.y); }
{%- end %}
{%- if eq .PerLane 4 %}
	if (n + 2u < N) { finish(t, n + 2u, v.z); }
	if (n + 3u < N) { finish(t, n + 3u, v.w); }
{%- end %}
{%- end %}
}
{%- end %}

{%- define "activation" %}
// activation is SiLU: v * sigmoid(v).
fn activation(v: f32) -> f32 { return v / (1.0 + exp(-v)); }
{% end %}
