{%- define "activation" %}
{%- if eq .Function "gelu" %}
// activation is GELU by the tanh approximation, v / 2 * (1 + tanh(u)) = v * sigmoid(2u): Hendrycks & Gimpel 2016.
fn activation(v: f32) -> f32 { return v / (1.0 + exp(-1.5957691216 * fma(0.044715 * v * v, v, v))); }
{%- else if eq .Function "gelu-erf" %}
// activation is GELU, v / 2 * (1 + erf(v / sqrt(2))). The error function is 7.1.26 of Abramowitz & Stegun 1964, within 1.5e-7.
fn activation(v: f32) -> f32 {
	let x = abs(v) * 0.70710678118;
	let t = 1.0 / fma(0.3275911, x, 1.0);
	let tail = t * fma(t, fma(t, fma(t, fma(t, 1.061405429, -1.453152027), 1.421413741), -0.284496736), 0.254829592) * exp(-x * x);
	return 0.5 * v * select(tail, 2.0 - tail, v >= 0.0);
}
{%- else %}
// activation is SiLU: v * sigmoid(v).
fn activation(v: f32) -> f32 { return v / (1.0 + exp(-v)); }
{%- end %}
{% end %}

{%- define "soft_cap" %}
// soft_cap keeps v between -cap and cap: cap * tanh(v / cap). The exponential may become infinite, which is right.
fn soft_cap(v: f32, cap: f32) -> f32 { return cap - 2.0 * cap / (1.0 + exp(v * (2.0 / cap))); }
{% end %}
