// Flush reads a subnormal half: the second word is the first's lower half as f32.
{% .Binding %} var<storage, read_write> y: array<u32>;

@compute @workgroup_size(1)
fn main() {
	y[1] = bitcast<u32>(unpack2x16float(y[0]).x);
}
