package gguf

import (
	"encoding/binary"
	"strings"
)

// raw builds a file by hand, so that it may be wrong.
type raw []byte

// head starts a version 3 file that claims these counts.
func head(tensors, kvs uint64) raw { return raw("GGUF").u32(3).u64(tensors).u64(kvs) }

func (r raw) u32(v uint32) raw  { return binary.LittleEndian.AppendUint32(r, v) }
func (r raw) u64(v uint64) raw  { return binary.LittleEndian.AppendUint64(r, v) }
func (r raw) str(s string) raw  { return append(r.u64(uint64(len(s))), s...) }
func (r raw) zeros(n int) raw   { return append(r, make([]byte, n)...) }
func (r raw) add(b ...byte) raw { return append(r, b...) }
func (r raw) pad(to int) raw    { return r.zeros((to - len(r)%to) % to) }
func (r raw) bool(v byte) raw   { return r.add(v) }
func (r raw) array(t ValueType, n uint64) raw {
	return r.u32(uint32(t)).u64(n)
}

// key starts a metadata entry; its value follows.
func (r raw) key(name string, t ValueType) raw { return r.str(name).u32(uint32(t)) }

// tensor adds a description with its offset relative to the data section.
func (r raw) tensor(name string, t Type, offset uint64, dims ...uint64) raw {
	r = r.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r = r.u64(d)
	}
	return r.u32(uint32(t)).u64(offset)
}

// nested opens depth arrays of one array each, and closes them with an empty array of bytes.
func (r raw) nested(depth int) raw {
	for range depth {
		r = r.array(Array, 1)
	}
	return r.array(Uint8, 0)
}

// hostile lists files that Parse must refuse, each with the cause, the byte blamed and a part of the message.
var hostile = []struct {
	name   string
	file   raw
	err    error
	offset int64
	text   string
}{
	{"empty file", raw(""), ErrTruncated, 0, "need 4 bytes, 0 are left"},
	{"half a magic", raw("GG"), ErrTruncated, 0, "2 are left"},
	{"other magic", raw("NOPE").u32(3).u64(0).u64(0), ErrMagic, 0, `"NOPE"`},
	{"swapped magic", raw("FUGG").u32(3).u64(0).u64(0), ErrMagic, 0, "byte-swapped"},
	{"old ggjt", raw("tjgg").u32(3), ErrMagic, 0, "GGJT"},
	{"zip", raw("PK\x03\x04").zeros(20), ErrMagic, 0, "PyTorch"},
	{"safetensors", raw("").u64(9).add([]byte(`{"__metadata__":{}}`)...), ErrMagic, 0, "safetensors"},
	{"lfs pointer", raw("version https://git-lfs.github.com/spec/v1"), ErrMagic, 0, "git lfs pull"},
	{"web page", raw("<!DOCTYPE html>"), ErrMagic, 0, "web page"},
	{"no version", raw("GGUF"), ErrTruncated, 4, "0 are left"},
	{"version 0", raw("GGUF").u32(0).u64(0).u64(0), ErrVersion, 4, "version 0"},
	{"version 1", raw("GGUF").u32(1).u32(0).u32(0), ErrVersion, 4, "version 1 (32-bit sizes)"},
	{"version 4", raw("GGUF").u32(4).u64(0).u64(0), ErrVersion, 4, "version 4, want 2 or 3"},
	{"big-endian", raw("GGUF").u32(3 << 24).u64(0).u64(0), ErrVersion, 4, "version 3 big-endian"},
	{"counts cut", raw("GGUF").u32(3).u64(0), ErrTruncated, 16, "0 are left"},
	{"too many keys", head(0, 2).zeros(minKV*2 - 1), ErrTruncated, 24, "2 metadata entries"},
	{"endless keys", head(0, 1<<63).zeros(64), ErrTruncated, 24, "9223372036854775808 metadata entries"},
	{"too many tensors", head(2, 0).zeros(minTensor*2 - 1), ErrTruncated, 24, "2 tensors"},
	{"endless tensors", head(1<<60, 0).zeros(64), ErrTruncated, 24, "1152921504606846976 tensors"},
	{"tensors fit only without the keys", head(1, 1).key("k", String).str("0123456789abcdef"), ErrTruncated, 61, "1 tensors"},

	{"key past the end", head(0, 1).u64(99).zeros(20), ErrTruncated, 24, "key 0: file ends too early: name of 99 bytes"},
	{"endless key", head(0, 1).u64(1<<64 - 1).zeros(20), ErrTruncated, 24, "18446744073709551615 bytes"},
	{"key longer than the format has", head(0, 1).key(strings.Repeat("k", 65536), Uint8).add(0), ErrValue, 24, "65536 bytes"},
	{"duplicate key", head(0, 2).key("a", Uint8).add(1).key("a", Int8).add(2), ErrDuplicate, 38, `key "a": name is used twice: entries 0 and 1`},
	{"unknown value type", head(0, 1).key("abcd", 13).zeros(8), ErrValue, 40, "value type 13 is unknown"},
	{"huge value type", head(0, 1).key("abcd", 1<<32-1).zeros(8), ErrValue, 40, "value type 4294967295"},
	{"boolean of 2", head(0, 1).key("abcd", Bool).bool(2), ErrValue, 40, "boolean is 2"},
	{"boolean of 2 in an array", head(0, 1).key("abcd", Array).array(Bool, 3).add(0, 1, 2), ErrValue, 54, "boolean is 2"},
	{"number cut", head(0, 1).key("abcd", Uint64).zeros(7), ErrTruncated, 40, "need 8 bytes, 7 are left"},
	{"string past the end", head(0, 1).key("abcd", String).u64(2).add('x'), ErrTruncated, 40, "string of 2 bytes with 1 bytes left"},
	{"endless string", head(0, 1).key("abcd", String).u64(1 << 63), ErrTruncated, 40, "string of 9223372036854775808 bytes"},
	{"array of an unknown type", head(0, 1).key("abcd", Array).array(77, 0), ErrValue, 40, "array of value type 77"},
	{"array head cut", head(0, 1).key("abcd", Array).u32(0).u32(0), ErrTruncated, 44, "need 8 bytes"},
	{"array past the end", head(0, 1).key("abcd", Array).array(Uint32, 3).zeros(11), ErrTruncated, 52, "3 array elements of at least 4 bytes"},
	{"array whose bytes overflow", head(0, 1).key("abcd", Array).array(Uint64, 1<<61).zeros(64), ErrTruncated, 52, "2305843009213693952 array elements"},
	{"strings past the end", head(0, 1).key("abcd", Array).array(String, 1<<40).zeros(64), ErrTruncated, 52, "1099511627776 array elements of at least 8 bytes"},
	{"string in an array past the end", head(0, 1).key("abcd", Array).array(String, 2).str("x").u64(5).zeros(4), ErrTruncated, 61, "string of 5 bytes with 4 bytes left"},
	{"arrays past the end", head(0, 1).key("abcd", Array).array(Array, 1<<32).zeros(64), ErrTruncated, 52, "array elements of at least 12 bytes"},
	{"arrays too deep", head(0, 1).key("abcd", Array).nested(maxDepth), ErrValue, 40 + 12*maxDepth, "nested more than 4 deep"},

	{"alignment zero", head(0, 1).key(alignmentKey, Uint32).u32(0), ErrValue, 53, "alignment 0, want a power of two from 8"},
	{"alignment not a power of two", head(0, 1).key(alignmentKey, Uint32).u32(24), ErrValue, 53, "alignment 24"},
	{"alignment under 8", head(0, 1).key(alignmentKey, Uint32).u32(4), ErrValue, 53, "alignment 4"},
	{"alignment huge", head(0, 1).key(alignmentKey, Uint64).u64(1 << 63), ErrValue, 53, "alignment 9223372036854775808"},
	{"alignment a string", head(0, 1).key(alignmentKey, String).str("32"), ErrValue, 53, "alignment is not a positive integer"},
	{"alignment negative", head(0, 1).key(alignmentKey, Int32).u32(1<<32 - 32), ErrValue, 53, "alignment is not a positive integer"},

	{"tensor name past the end", head(1, 0).u64(1000).zeros(40), ErrTruncated, 24, "tensor 0: file ends too early: name of 1000 bytes"},
	{"duplicate tensor", head(2, 0).tensor("a", F32, 0, 1).tensor("a", F32, 32, 1).pad(32).zeros(64), ErrDuplicate, 57, `tensor "a"`},
	{"no dimensions", head(1, 0).tensor("a", F32, 0).zeros(64), ErrShape, 33, "0 dimensions, want 1 to 4"},
	{"five dimensions", head(1, 0).tensor("a", F32, 0, 1, 1, 1, 1, 1).zeros(64), ErrShape, 33, "5 dimensions, want 1 to 4"},
	{"endless dimensions", head(1, 0).str("a").u32(1<<32 - 1).zeros(64), ErrShape, 33, "4294967295 dimensions"},
	{"dimensions cut", head(1, 0).str("abcdefgh").u32(4).zeros(24), ErrTruncated, 44, "need 32 bytes, 24 are left"},
	{"zero dimension", head(1, 0).tensor("a", F32, 0, 4, 0).zeros(64), ErrShape, 33, "dimension 1 of [4 0] is zero"},
	{"dimensions that overflow", head(1, 0).tensor("a", F32, 0, 1<<32, 1<<32).zeros(64), ErrShape, 33, "2^62"},
	{"dimensions that overflow to small", head(1, 0).tensor("a", F32, 0, 1<<63, 2).zeros(64), ErrShape, 33, "2^62"},
	{"bytes that overflow", head(1, 0).tensor("a", F64, 0, 1<<61).zeros(64), ErrShape, 33, "2^62 bytes"},
	{"half a block", head(1, 0).tensor("a", Q4_K, 0, 128, 2).zeros(999), ErrShape, 33, "rows of 128 values are not a multiple of Q4_K's block of 256"},
	{"unknown tensor type", head(1, 0).tensor("a", 99, 0, 32).zeros(64), ErrType, 45, `tensor "a": type is not supported: type 99 is unknown`},
	{"huge tensor type", head(1, 0).tensor("a", 1<<32-1, 0, 32).zeros(64), ErrType, 45, "type 4294967295 is unknown"},
	{"removed tensor type", head(1, 0).tensor("a", 31, 0, 32).zeros(64), ErrType, 45, "type 31 (Q4_0_4_4) was removed"},
	{"misaligned tensor", head(1, 0).tensor("a", F32, 16, 4).pad(32).zeros(64), ErrLayout, 49, "offset 16 is not a multiple of the alignment 32"},
	{"misaligned by the file's own alignment", head(1, 1).key(alignmentKey, Uint32).u32(64).tensor("a", F32, 32, 4).pad(64).zeros(128), ErrLayout, 82, "alignment 64"},
	{"no data", head(1, 0).tensor("a", F32, 0, 4), ErrTruncated, 49, "16 bytes at 0 of the tensor data, which is 0 bytes long"},
	{"data cut by one byte", head(1, 0).tensor("a", F32, 32, 4).pad(32).zeros(47), ErrTruncated, 49, "16 bytes at 32 of the tensor data, which is 47 bytes long"},
	{"offset past the end", head(1, 0).tensor("a", F32, 1<<63, 4).pad(32).zeros(64), ErrTruncated, 49, "at 9223372036854775808"},
	{"offset that overflows", head(1, 0).tensor("a", F32, 1<<64-32, 16).pad(32).zeros(64), ErrTruncated, 49, "at 18446744073709551584"},
	{"overlap", head(2, 0).tensor("a", F32, 0, 9).tensor("b", F32, 32, 1).pad(32).zeros(64), ErrLayout, 82, `tensor "b": tensor data is misplaced: overlaps tensor "a" by 4 bytes`},
	{"overlap by one byte", head(2, 0).tensor("a", I8, 0, 33).tensor("b", F32, 32, 1).pad(32).zeros(64), ErrLayout, 82, `overlaps tensor "a" by 1 bytes`},
	{"misaligned and past the end", head(1, 0).tensor("a", F32, 1<<40+4, 4).pad(32).zeros(64), ErrLayout, 49, "is not a multiple"}, // the first error wins
	{"overlap in reverse order", head(2, 0).tensor("a", F32, 32, 1).tensor("b", F32, 0, 9).pad(32).zeros(64), ErrLayout, 49, `tensor "a": tensor data is misplaced: overlaps tensor "b"`},
	{"two tensors on the same bytes", head(2, 0).tensor("a", F32, 0, 1).tensor("b", F32, 0, 1).pad(32).zeros(64), ErrLayout, 82, "overlaps"},
	{"long name in a message", head(1, 0).tensor(strings.Repeat("n", 60000), 99, 0, 1).zeros(64), ErrType, 60044, strings.Repeat("n", 80) + `"...`},
}
