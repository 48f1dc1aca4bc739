// Package rekey encrypts what is stored under another key: the parameters of stored models, credentials, and the secrets
// of stored settings.
package rekey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"tollgate/internal/account"
	"tollgate/internal/callback"
	"tollgate/internal/seal"
)

// Result counts the objects that hold sealed values.
type Result struct {
	Objects int `json:"objects"`
	Changed int `json:"changed"` // those that were sealed with the old key
	// Unopened are those that neither key opens. They stay as they are.
	Unopened []string `json:"unopened"`
}

// Run seals with next what is sealed with old. Each object is written in a transaction of its own and tells by itself
// with which key it opens, so a run that was ended is gone on with by another, and one that is repeated changes nothing.
// progress is told how many objects are done.
func Run(ctx context.Context, s account.Store, old, next *seal.Sealer, progress func(done, all int)) (Result, error) {
	all, err := list(ctx, s)
	result := Result{Objects: len(all), Unopened: []string{}}
	if err != nil {
		return result, err
	}
	for i, o := range all {
		changed, err := one(ctx, s, o, old, next)
		switch {
		case errors.Is(err, seal.ErrOpen):
			result.Unopened = append(result.Unopened, string(o.Kind())+" "+o.ObjectID())
		case errors.Is(err, account.ErrNotFound): // deleted meanwhile
		case err != nil:
			return result, fmt.Errorf("rekey: %s %s: %w", o.Kind(), o.ObjectID(), err)
		case changed:
			result.Changed++
		}
		if progress != nil {
			progress(i+1, len(all))
		}
	}
	return result, nil
}

// list finds every object that may hold sealed values.
func list(ctx context.Context, s account.Store) ([]account.Object, error) {
	var all []account.Object
	for _, make := range []func() account.Object{
		func() account.Object { return new(account.StoredModel) },
		func() account.Object { return new(account.Credential) },
		func() account.Object { return new(account.Setting) },
		func() account.Object { return new(account.Key) },
		func() account.Object { return new(account.Team) },
	} {
		_, err := s.Find(ctx, make().Kind(), account.Filter{}, func(doc []byte) error {
			o := make()
			err := json.Unmarshal(doc, o)
			if holds(o) {
				all = append(all, o)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("rekey: %w", err)
		}
	}
	return all, nil
}

// holds reports whether an object may hold sealed values. Of keys and teams, few do.
func holds(o account.Object) bool {
	switch o := o.(type) {
	case *account.Key:
		return len(callbackVars(o.Metadata)) > 0
	case *account.Team:
		return len(callbackVars(o.Metadata)) > 0
	}
	return true
}

// callbackVars are the variables that a key's or a team's metadata hold for callbacks.
func callbackVars(metadata map[string]any) []map[string]any {
	var all []map[string]any
	list, _ := metadata["logging"].([]any)
	settings, _ := metadata["callback_settings"].(map[string]any)
	for _, entry := range append(list, settings) {
		if m, ok := entry.(map[string]any); ok {
			if vars, ok := m["callback_vars"].(map[string]any); ok && len(vars) > 0 {
				all = append(all, vars)
			}
		}
	}
	return all
}

// one reads an object again, so that nothing that was changed meanwhile is lost, and writes it when it was sealed with old.
func one(ctx context.Context, s account.Store, o account.Object, old, next *seal.Sealer) (changed bool, err error) {
	err = s.Update(ctx, func(tx account.Tx) error {
		if err := tx.Get(ctx, o.ObjectID(), o); err != nil {
			return err
		}
		if changed, err = reseal(o, old, next); err != nil || !changed {
			return err
		}
		return tx.Replace(ctx, o)
	})
	return changed && err == nil, err
}

// reseal seals the values of an object anew.
func reseal(o account.Object, old, next *seal.Sealer) (changed bool, err error) {
	texts := func(p seal.Purpose, v any) (any, error) {
		return seal.Texts(v, func(text string) (string, error) {
			sealed, other, err := next.Reseal(p, old, text)
			changed = changed || other
			return sealed, err
		})
	}
	switch o := o.(type) {
	case *account.StoredModel:
		var v any
		v, err = texts(seal.ModelParams, o.Params)
		o.Params, _ = v.(map[string]any)
	case *account.Credential:
		values := maps.Clone(o.Values)
		for name, text := range o.Values {
			v, e := texts(seal.CredentialValues, text)
			values[name], _ = v.(string)
			err = errors.Join(err, e)
		}
		o.Values = values
	case *account.Key:
		err = resealVars(o.Metadata, texts)
	case *account.Team:
		err = resealVars(o.Metadata, texts)
	case *account.Setting:
		var v any
		if err := json.Unmarshal(o.ParamValue, &v); err != nil {
			return false, err
		}
		if v, err = texts(seal.Environment, v); err != nil {
			return false, err
		}
		o.ParamValue, err = json.Marshal(v)
	}
	return changed && err == nil, err
}

// resealVars seals the variables of callbacks anew, in place.
func resealVars(metadata map[string]any, texts func(seal.Purpose, any) (any, error)) error {
	for _, vars := range callbackVars(metadata) {
		purpose := seal.CallbackVars(callback.Destination(vars))
		for name, v := range vars {
			next, err := texts(purpose, v)
			if err != nil {
				return err
			}
			vars[name] = next
		}
	}
	return nil
}
