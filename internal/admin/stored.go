package admin

import (
	"encoding/json"
	"errors"

	"tollgate/internal/account"
	"tollgate/internal/seal"
)

// This file opens what the management API has stored, for taking it into force.

// OpenModel gives the litellm_params of a stored model, its texts opened.
func OpenModel(s *seal.Sealer, m *account.StoredModel) (map[string]any, error) {
	v, err := opened(s, seal.ModelParams, m.Params)
	params, _ := v.(map[string]any)
	return params, err
}

// OpenCredential gives the values of a stored credential.
func OpenCredential(s *seal.Sealer, c *account.Credential) (map[string]string, error) {
	values := make(map[string]string, len(c.Values))
	for name, sealed := range c.Values {
		plain, err := s.Open(seal.CredentialValues, sealed)
		if err != nil {
			return nil, err
		}
		values[name] = plain
	}
	return values, nil
}

// OpenSetting gives the keys of a stored section of the configuration, its secrets opened. Texts that were stored in plain are
// given as they are.
func OpenSetting(s *seal.Sealer, setting *account.Setting) (map[string]any, error) {
	var values map[string]any
	if len(setting.ParamValue) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(setting.ParamValue, &values); err != nil {
		return nil, err
	}
	v, err := opened(s, seal.Environment, values)
	values, _ = v.(map[string]any)
	return values, err
}

// opened opens the sealed texts in a value.
func opened(s *seal.Sealer, p seal.Purpose, v any) (any, error) {
	open := func(text string) (string, error) {
		plain, err := s.Open(p, text)
		if errors.Is(err, seal.ErrFormat) {
			return text, nil
		}
		return plain, err
	}
	return seal.Texts(v, open)
}
