package seal

import "errors"

// Texts applies f to every text inside of a decoded JSON value and returns the value that comes of it; v stays as it is.
func Texts(v any, f func(text string) (string, error)) (any, error) {
	switch v := v.(type) {
	case string:
		return f(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = Texts(v[i], f); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			var err error
			if out[name], err = Texts(v[name], f); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// Reseal gives a text that is sealed with s, whether it was sealed with s or with old, and reports whether it is another
// one than before. A text that is not sealed stays. The error is ErrOpen: neither key opens it.
func (s *Sealer) Reseal(p Purpose, old *Sealer, text string) (resealed string, changed bool, err error) {
	_, err = s.Open(p, text)
	if err == nil || errors.Is(err, ErrFormat) {
		return text, false, nil
	}
	plain, err := old.Open(p, text)
	if err != nil {
		return "", false, err
	}
	resealed, err = s.Seal(p, plain)
	return resealed, err == nil, err
}
