package importer

import (
	"encoding/json"

	"tollgate/internal/account"
)

// ReadKey reads a row of LiteLLM's keys.
func ReadKey(text []byte) (*account.Key, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	k := new(account.Key)
	return k, d.into(k)
}
