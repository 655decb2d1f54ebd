package kvswap

// free returns how many blocks of memory are free. It is below 0 while a fetched entry exceeds the bound.
func (s *Store) free() int { return s.config.HostBlocks - s.host }

// clean reports whether an entry's memory can be let go of at once.
func (e *entry) clean() bool { return e.data != nil && e.file != "" }

// room makes room in memory for n blocks, waiting for the disk if need be. It reports false, with no entry having been
// moved for it, where there is none; what has been moved when writing fails stays so.
func (s *Store) room(n int) bool {
	s.collect()
	for s.free() < n {
		if n > s.config.HostBlocks || s.reach(n) < n {
			return false
		}
		switch {
		case s.letGo():
		case len(s.jobs) > 0:
			s.settle(<-s.results)
		default:
			s.spill(s.plan(n-s.free(), s.config.DiskBlocks-s.disk))
		}
	}
	return true
}

// reach returns how many blocks of memory could be free, if that is less than n; else n or more.
func (s *Store) reach(n int) int {
	got, disk := s.free(), s.config.DiskBlocks-s.disk
	for _, j := range s.jobs {
		if j.entry != nil || j.dropped {
			got += j.blocks
		}
		if j.entry == nil {
			disk += j.blocks
		}
	}
	for _, e := range s.order {
		if e.clean() {
			got += e.blocks
		}
	}
	for _, e := range s.plan(n-got, disk) {
		got += e.blocks
	}
	return got
}

// letGo lets go of the memory of the entry put first of those that are in files too. It reports false if there is none.
func (s *Store) letGo() bool {
	for _, e := range s.order {
		if e.clean() {
			e.data = nil
			s.host -= e.blocks
			return true
		}
	}
	return false
}

// plan chooses entries to spill for n blocks of memory, with so much room on disk: those put first that fit.
func (s *Store) plan(n, disk int) (chosen []*entry) {
	if s.off {
		return nil
	}
	for _, e := range s.order {
		if n <= 0 {
			break
		}
		if e.data == nil || e.file != "" || e.job != nil || e.fetched || e.blocks > disk {
			continue
		}
		chosen = append(chosen, e)
		n -= e.blocks
		disk -= e.blocks
	}
	return chosen
}

// spillAhead has entries spilled while nobody waits for it, so that some memory is free or can be let go of. The one put last is
// left out: it is wanted first.
func (s *Store) spillAhead() {
	if len(s.jobs) > 0 {
		return
	}
	within := s.free()
	for _, e := range s.order {
		if e.clean() {
			within += e.blocks
		}
	}
	chosen := s.plan(s.ahead-within, s.config.DiskBlocks-s.disk)
	if n := len(chosen); n > 0 && chosen[n-1] == s.order[len(s.order)-1] {
		chosen = chosen[:n-1]
	}
	s.spill(chosen)
}
