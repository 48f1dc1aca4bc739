package ledger

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"tollgate/internal/record"
)

// quarantined is a line of the quarantine file: a call that the store refuses, or a record of the spool that is none.
type quarantined struct {
	At     time.Time    `json:"at"`
	Error  string       `json:"error"`
	Call   *record.Call `json:"call,omitempty"`
	Record []byte       `json:"record,omitempty"` // base64
}

// quarantine puts a call aside, so that it does not stand in the way of the others. Where there is no file, or it cannot
// be written, the log is the place.
func (w *writer) quarantine(q quarantined) {
	q.At = time.Now().UTC()
	w.o.Observer.LedgerQuarantined(1)
	if q.Call != nil && w.o.Dropped != nil {
		w.o.Dropped(q.Call)
	}
	line, err := json.Marshal(q)
	if err != nil && q.Call != nil { // JSON of the call's that is none
		bare := *q.Call
		bare.KeyMetadata, bare.Metadata, bare.Prompt, bare.Reply = nil, nil, nil, nil
		q.Call = &bare
		line, err = json.Marshal(q)
	}
	if err == nil && w.o.Quarantine != "" {
		if err = appendLine(w.o.Quarantine, line); err == nil {
			w.o.Log.Error("a call is not in the ledger: the store refuses it; it is in the quarantine file",
				"file", w.o.Quarantine, "call_id", q.id(), "error", q.Error)
			return
		}
	}
	if q.Call != nil {
		bare := *q.Call
		bare.Prompt, bare.Reply = nil, nil // not for the log
		q.Call = &bare
		line, _ = json.Marshal(q) // was encoded above
	}
	w.o.Log.Error("a call is not in the ledger: the store refuses it; here it is", "call_id", q.id(), "quarantined", string(line), "error", err)
}

func (q *quarantined) id() string {
	if q.Call == nil {
		return ""
	}
	return q.Call.ID
}

// appendLine adds a line to a file and forces it onto the disk.
func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
