package access

import (
	"encoding/hex"

	"tollgate/internal/account"
)

// Apply takes note of changes. What they name is read anew when it is next needed; "*" as the kind names everything.
func (d *Directory) Apply(changes []account.Change) {
	for _, change := range changes {
		switch change.Kind {
		case "*":
			d.epoch.Add(1)
			d.absent.clear()
		case "": // a counter: the budgets ask for those themselves
		case account.Keys, account.RetiredKeys:
			d.tellKey(change.ID)
		case account.JWTKeyMappings:
			d.tellKind(change.Kind)
		default:
			d.tellObject(change)
		}
	}
}

func (d *Directory) tellKey(hash string) {
	var h keyHash
	if len(hash) != 2*len(h) {
		return
	}
	if _, err := hex.Decode(h[:], []byte(hash)); err != nil {
		return
	}
	if c := d.keys.find(h); c != nil { // before the absent: see readKey
		c.tell(true)
	}
	d.absent.forget(h)
}

func (d *Directory) tellObject(change account.Change) {
	if c := d.cacheOf(change.Kind).find(objectID{change.Kind, change.ID}); c != nil {
		c.tell(change.Kind == account.Teams || change.Kind == account.Users)
	}
	d.tellKind(change.Kind)
}

// tellKind marks what was found of a kind by something else than its id: any change may have changed who is found.
func (d *Directory) tellKind(kind account.Kind) {
	d.names.each(func(o objectID, c *cell) {
		if o.kind == kind {
			c.tell(false)
		}
	})
}
