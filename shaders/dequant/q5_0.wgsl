// Q5_0: a block is 32 q of 5 bits, value d * (q - 16) (ggml block_q5_0).
{% template "fifth_bits" %}
const RAISED: vec4<f32> = vec4<f32>(9.5367431640625e-7, 9.5367431640625e-7, 9.5367431640625e-7, 9.5367431640625e-7); // 16
{% template "half_scale" %}
{% template "factors" . %}
{% template "piece_block" . %}
