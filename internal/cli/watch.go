package cli

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"tollgate/internal/app"
)

// settle is how long a file must be quiet before it is read: editors and Kubernetes write in several steps.
const settle = 200 * time.Millisecond

// watchFiles tells changes of the configuration's files. Their folders are watched, not the files: an editor or a
// mounted ConfigMap puts a new file in the place of the old one. The returned function ends the watching.
func watchFiles(ctx context.Context, a *app.App, log *slog.Logger, changes chan<- struct{}) func() {
	cfg := a.Config()
	if len(cfg.Files) == 0 || !cfg.Tollgate.ConfigReload {
		return func() {}
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("the configuration's files are not watched; reload with SIGHUP", "error", err)
		return func() {}
	}
	folders := map[string]bool{}
	for _, f := range cfg.Files {
		folders[filepath.Dir(f)] = true
	}
	for folder := range folders {
		if err := w.Add(folder); err != nil {
			log.Warn("a folder of the configuration is not watched; reload with SIGHUP", "folder", folder, "error", err)
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		follow(ctx, w, a, changes)
	}()
	return func() {
		_ = w.Close() // ends follow as well
		<-ended
	}
}

func follow(ctx context.Context, w *fsnotify.Watcher, a *app.App, changes chan<- struct{}) {
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.Events:
			if !ok {
				return
			}
			if concerns(event, a.Config().Files) {
				quiet.Reset(settle)
			}
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
		case <-quiet.C:
			select {
			case changes <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

// concerns reports whether an event may have changed what is read: one of the files, or the ..data link by which
// Kubernetes swaps a ConfigMap.
func concerns(event fsnotify.Event, files []string) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	if filepath.Base(event.Name) == "..data" {
		return true
	}
	for _, f := range files {
		if filepath.Clean(f) == filepath.Clean(event.Name) {
			return true
		}
	}
	return false
}
