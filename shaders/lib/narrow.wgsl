{%- define "narrow_x" %}
// x of the columns from block b on, two blocks of each token. Past the row's end x counts as zero, and the last block is read again.
{%- range $h := seq 2 %}
let b{% $h %} = min(b + {% $h %}u, BLOCKS - 1u);
let in{% $h %} = select(0.0, 1.0, b + {% $h %}u < BLOCKS);
{%- range $t := seq $.Tokens %}
{%- range $i := seq 8 %}
{% if $.Norm %}var{% else %}let{% end %} x{% $t %}_{% $h %}_{% $i %} = x[x{% $t %} + b{% $h %} * 8u + {% $i %}u] * in{% $h %};
{%- end %}
{%- if $.Norm %}
square{% $t %} += {% range $i := seq 8 %}{% if $i %} + {% end %}dot(x{% $t %}_{% $h %}_{% $i %}, x{% $t %}_{% $h %}_{% $i %}){% end %};
{%- end %}
{%- end %}
{%- if $.Norm %}
{%- range $i := seq 8 %}
{
	let g = gain[b{% $h %} * 8u + {% $i %}u];
{%- range $t := seq $.Tokens %}
	x{% $t %}_{% $h %}_{% $i %} *= g;
{%- end %}
}
{%- end %}
{%- end %}
{%- if $.HasMin %}{% range $t := seq $.Tokens %}{% range $s := seq $.Spans %}
let sum{% $t %}_{% $h %}_{% $s %} = dot({% range $i := seq (mul $.SpanUnits 2) %}{% if $i %} + {% end %}x{% $t %}_{% $h %}_{% add (mul (mul $s $.SpanUnits) 2) $i %}{% end %}, vec4<f32>(1.0));
{%- end %}{% end %}{% end %}
{%- end %}
{%- end %}

{%- define "narrow_products" %}
// out: sums of weight row `row` over those columns, of each token. A weight is used up for all tokens before the next is decoded:
// what the sums need fits in registers.
let w = load_pair(row, b0, b1);
{%- range $h := seq 2 %}
{%- range $t := seq $.Tokens %}{% range $s := seq $.Spans %}
var c{% $h %}_{% $t %}_{% $s %} = 0.0;
{%- end %}{% end %}
{%- range $u := seq 4 %}
{
	let v = unit{% $u %}(w.b{% $h %});
{%- range $i := seq 8 %}
{%- range $t := seq $.Tokens %}
	c{% $h %}_{% $t %}_{% div $u $.SpanUnits %} += v.{% if lt $i 4 %}lo{% else %}hi{% end %}.{% comp (mod $i 4) %} * x{% $t %}_{% $h %}_{% add (mul $u 2) (div $i 4) %}.{% comp (mod $i 4) %};
{%- end %}
{%- end %}
}
{%- end %}
{%- end %}
// The choice keeps Mesa from taking these sums apart to add their parts to what they are added to: in one kernel, and not in another.
{%- range $t := seq .Tokens %}
let out{% $t %} = select(0.0, {% range $h := seq 2 %}{% range $s := seq $.Spans %}{% if or $h $s %} + {% end %}c{% $h %}_{% $t %}_{% $s %} * w.b{% $h %}.d{% $s %}{% end %}{% end %}
{%- if $.HasMin %}{% range $h := seq 2 %}{% range $s := seq $.Spans %} + w.b{% $h %}.m{% $s %} * sum{% $t %}_{% $h %}_{% $s %}{% end %}{% end %}{% end %}, b < BLOCKS);
{%- end %}
{%- end %}

{%- define "narrow_touch" %}
// A word of each 64 bytes of the workgroup's weights, in the order of memory, brings them into the cache. The walks that
// follow go down columns, which waits for memory at each row. What was read is kept so that reading is not left out.
var touched = 0u;
for (var i = lane; i < count * QUANT_VECS / 4u; i += 8u) { touched |= wq[first * QUANT_VECS + i * 4u].x; }
{%- end %}
