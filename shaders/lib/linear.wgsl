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
{% if .Gate %}{% template "activation" . %}{% end %}
// finish stores output n of token t.
fn finish(t: u32, n: u32, value: f32) {
	let i = t * Y_STRIDE + Y_OFFSET + n;
	y[i] = {% if .Residual %}y[i] + {% end %}value{% if .Bias %} + bias[Y_OFFSET + n]{% end %};
}
{%- end %}

{%- define "activation" %}
// activation is SiLU: v * sigmoid(v).
fn activation(v: f32) -> f32 { return v / (1.0 + exp(-v)); }
{% end %}
