package config

import "reflect"

// Difference is what a reload has to do.
type Difference struct {
	New     []Adapter // to be opened
	Gone    []string  // to be stopped
	Changed []Adapter // to be stopped and opened again
	Same    []string  // keep running
	// Restart are the keys that changed but count only after a restart.
	Restart []string
}

// Diff compares the running config with the one that shall replace it.
func Diff(old, next *Config) Difference {
	var d Difference
	for _, a := range next.Adapters {
		was, ok := old.Adapter(a.Name)
		switch {
		case !ok:
			d.New = append(d.New, a)
		case was.Kind == a.Kind && reflect.DeepEqual(was.Config, a.Config):
			d.Same = append(d.Same, a.Name)
		default:
			d.Changed = append(d.Changed, a)
		}
	}
	for _, a := range old.Adapters {
		if _, ok := next.Adapter(a.Name); !ok {
			d.Gone = append(d.Gone, a.Name)
		}
	}
	if old.Gateway.Listen != next.Gateway.Listen {
		d.Restart = append(d.Restart, "gateway.listen")
	}
	if old.Gateway.Data != next.Gateway.Data {
		d.Restart = append(d.Restart, "gateway.data")
	}
	if old.Store != next.Store {
		d.Restart = append(d.Restart, "store")
	}
	if old.Log.Format != next.Log.Format {
		d.Restart = append(d.Restart, "log.format")
	}
	return d
}

// KeepStarted takes over from the running config what counts only after a restart, and the address that
// follows from it.
func (c *Config) KeepStarted(running *Config) {
	c.Gateway.Listen, c.Gateway.Data = running.Gateway.Listen, running.Gateway.Data
	c.Store, c.Log.Format = running.Store, running.Log.Format
	if c.derived && running.derived {
		c.Gateway.URL = running.Gateway.URL
	}
}
