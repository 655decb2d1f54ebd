// Q5_0: a block is 32 q of 5 bits, value d * (q - 16) (ggml block_q5_0).
// A column takes MatvecStream about 4.7 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "fifth_bits" %}
const RAISED: vec4<f32> = vec4<f32>(48.0, 48.0, 48.0, 48.0); // 32 and 16
{% template "half_scale" %}
{% template "factors" . %}
{% template "piece_block" . %}
