// Q5_1: a block is 32 q of 5 bits, value d * q + m (ggml block_q5_1).
// A column takes MatvecStream about 4.7 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "fifth_bits" %}
const RAISED: vec4<f32> = vec4<f32>(32.0, 32.0, 32.0, 32.0);
{% template "half_scale_offset" %}
{% template "factors" . %}
{% template "piece_block" . %}
