// Q5_1: a block is 32 q of 5 bits, value d * q + m (ggml block_q5_1).
{% template "fifth_bits" %}
{% template "half_scale_offset" %}
{% template "factors" . %}
{% template "piece_block" . %}
