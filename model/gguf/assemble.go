package gguf

// Assemble makes a File of what lies in no GGUF file: metadata, tensors (of which Offset and Size are worked out, as if the file were
// written), and a function that gives bytes from to to of a tensor of these. read may be called from several goroutines; what it
// returns is read only, and is not used after close, which Close calls. Errors are those of Writer.
func Assemble(metadata []KV, tensors []Tensor, read func(t Tensor, from, to uint64) []byte, close func() error) (*File, error) {
	w := NewWriter()
	for _, kv := range metadata {
		w.Set(kv.Key, kv.Value)
	}
	for _, t := range tensors {
		w.add(t.Name, t.Type, t.Dims, source{})
	}
	if w.err != nil {
		return nil, w.err
	}
	head, err := w.header()
	if err != nil {
		return nil, err
	}
	f := &w.file
	f.DataOffset = alignUp(uint64(len(head)), f.Alignment)
	for i := range f.Tensors {
		f.Tensors[i].Offset += f.DataOffset
	}
	f.size, f.read, f.close = int64(f.DataOffset+w.end), read, close
	return f, nil
}
