// Q5_K: a block is 32 q of 5 bits, value d * scale * q - dmin * minimum, d and dmin those of 8 blocks (ggml block_q5_K).
// A column takes MatvecStream about 5.0 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "fifth_bits" %}
const RAISED: vec4<f32> = vec4<f32>(32.0, 32.0, 32.0, 32.0);
{% template "byte_scales" %}
{% template "factors" . %}
{% template "piece_block" . %}
