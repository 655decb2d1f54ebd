// ExpertGroup puts pairs in the order of their experts, and those of one expert in tiles of up to TILE. A lane has experts of its own, and
// looks through all pairs twice: to count, and to write them down in order. So nothing depends on which lane is faster.
// Grid: one workgroup. Bindings: step, routes.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read_write> routes: array<u32>;
{% template "routes" .Routing %}
const NONE: vec4<u32> = vec4<u32>(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu);
var<workgroup> window: array<vec4<u32>, LANES>; // experts of 4 pairs each
var<workgroup> counts: array<u32, EXPERTS>;
var<workgroup> places: array<u32, EXPERTS>;

// bring fills the window with the experts of pairs from `begin` on.
fn bring(begin: u32, lane: u32) {
	workgroupBarrier();
	let at = begin + lane * 4u;
	let last = pairs() - 1u;
	let v = vec4<u32>(routes[min(at, last)], routes[min(at + 1u, last)], routes[min(at + 2u, last)], routes[min(at + 3u, last)]);
	window[lane] = select(NONE, v, vec4<u32>(at, at + 1u, at + 2u, at + 3u) <= vec4<u32>(last));
	workgroupBarrier();
}

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(local_invocation_index) lane: u32) {
	let total = pairs();
	for (var e = lane; e < EXPERTS; e += LANES) { counts[e] = 0u; }
	for (var begin = 0u; begin < total; begin += LANES * 4u) {
		bring(begin, lane);
		let quads = min(LANES, (total - begin + 3u) / 4u);
		for (var e = lane; e < EXPERTS; e += LANES) {
			var n = vec4<u32>(0u);
			for (var i = 0u; i < quads; i++) { n += select(vec4<u32>(0u), vec4<u32>(1u), window[i] == vec4<u32>(e)); }
			counts[e] += n.x + n.y + n.z + n.w;
		}
	}
	workgroupBarrier();
	for (var e = lane; e < EXPERTS; e += LANES) {
		var first = 0u;
		var tile = 0u;
		for (var i = 0u; i < e; i++) {
			first += counts[i];
			tile += (counts[i] + TILE - 1u) / TILE;
		}
		places[e] = first;
		let end = first + counts[e];
		for (var p = first; p < end; p += TILE) {
			let entry = tiles_at() + tile * 3u;
			routes[entry] = e;
			routes[entry + 1u] = p;
			routes[entry + 2u] = min(p + TILE, end);
			tile++;
		}
		if (e == EXPERTS - 1u) { routes[count_at()] = tile; }
	}
	for (var begin = 0u; begin < total; begin += LANES * 4u) {
		bring(begin, lane);
		let quads = min(LANES, (total - begin + 3u) / 4u);
		for (var e = lane; e < EXPERTS; e += LANES) {
			var place = order_at() + places[e];
			for (var i = 0u; i < quads; i++) {
				let here = window[i] == vec4<u32>(e);
				if (any(here)) {
{%- range $c := seq 4 %}
					if (here.{% comp $c %}) {
						routes[place] = begin + i * 4u + {% $c %}u;
						place++;
					}
{%- end %}
				}
			}
			places[e] = place - order_at();
		}
	}
}
