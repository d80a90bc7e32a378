package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// In a company Mattermost has a machine of its own. Here that is one core: what the gateway and the bench
// itself use of the others then takes nothing away from it, and the limit is Mattermost's.

// apart keeps Mattermost and its database on the first core, and this process and the gateway off it.
func apart() error {
	if runtime.NumCPU() < 2 {
		return errors.New("Mattermost cannot have a core of its own: there is only one")
	}
	var own, others unix.CPUSet
	own.Set(0)
	for i := 1; i < runtime.NumCPU(); i++ {
		others.Set(i)
	}
	return place(&own, &others)
}

// together lets everything run everywhere.
func together() error {
	var all unix.CPUSet
	for i := range runtime.NumCPU() {
		all.Set(i)
	}
	return place(&all, &all)
}

// place puts the servers and the rest of this process's family on their cores.
func place(servers, rest *unix.CPUSet) error {
	family, err := descendants(os.Getpid())
	if err != nil {
		return err
	}
	for pid, name := range family {
		set := rest
		if name == "mattermost" || name == "postgres" {
			set = servers
		}
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(filepath.Base(t))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("keep %s on its cores: %w", name, err)
			}
		}
	}
	return nil
}

// descendants are the names of a process and of all that it and its children started.
func descendants(root int) (map[int]string, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	names, parents := map[int]string{}, map[int]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // gone meanwhile
		}
		head, tail, ok := strings.Cut(string(b), ") ")
		id, name, named := strings.Cut(head, " (")
		pid, err := strconv.Atoi(id)
		if !ok || !named || err != nil {
			continue
		}
		names[pid] = name
		if fields := strings.Fields(tail); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	out := map[int]string{}
	for pid := range names {
		for p := pid; p > 1; p = parents[p] {
			if p == root {
				out[pid] = names[pid]
				break
			}
		}
	}
	return out, nil
}
