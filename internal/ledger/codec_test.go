package ledger

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"

	"tollgate/internal/account"
	"tollgate/internal/record"
)

// filled is a call with every field set to something, found by reflection: a field that is added to record.Call and
// not to the encoding fails the tests.
func filled() record.Call {
	var c record.Call
	n := int64(0)
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		if !slices.Contains(elsewhere, v.Type().Field(i).Name) {
			fill(v.Field(i), &n)
		}
	}
	for i := range c.Guardrails {
		c.Guardrails[i].ErrorType = "" // for metrics
	}
	return c
}

// elsewhere are the fields that only callbacks, traces and metrics read, in the process that has served the call.
var elsewhere = []string{"Trace", "Steps", "Request", "Response", "RequestMetadata", "RequesterHeaders", "UserEmail", "OrgAlias", "Logging", "Split"}

func fill(v reflect.Value, n *int64) {
	*n += 7
	if at, ok := v.Addr().Interface().(*time.Time); ok {
		*at = time.Unix(1_700_000_000+*n, *n).UTC()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d é", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(-*n * 1_000_003)
	case reflect.Float64:
		v.SetFloat(float64(*n) / 16)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(element, n)
		v.SetMapIndex(key, element)
	case reflect.Interface:
		v.Set(reflect.ValueOf("any"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Appendf(nil, `{"n":%d}`, *n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), n)
		}
	default:
		panic("a kind of field that this test does not know: " + v.Type().String())
	}
}

func TestCodec_EveryFieldComesBack(t *testing.T) {
	for name, want := range map[string]record.Call{"filled": filled(), "zero": {}, "empty elements": {Tags: []string{"", "a", ""}, Attempts: make([]record.Attempt, 2)}} {
		got, err := decodeCall(appendCall(nil, &want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-in +out):\n%s", name, d)
		}
	}
}

func TestCodec_LaterFieldsAreSkipped(t *testing.T) {
	want := filled()
	b := appendCall(nil, &want)
	b = protowire.AppendTag(b, 900, protowire.BytesType)
	b = protowire.AppendString(b, "of a later version")
	b = protowire.AppendTag(b, 901, protowire.VarintType)
	b = protowire.AppendVarint(b, 7)
	got, err := decodeCall(b)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
}

func TestCodec_OtherBytesAreRefused(t *testing.T) {
	call := filled()
	b := appendCall(nil, &call)
	for name, bad := range map[string][]byte{
		"nothing": nil, "another version": append([]byte{9}, b[1:]...), "cut": b[:len(b)-1],
		"another kind": protowire.AppendVarint(protowire.AppendTag([]byte{codecVersion}, 1, protowire.VarintType), 1),
		"out of order": append(append([]byte(nil), b...), b[1:]...),
	} {
		if _, err := decodeCall(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzDecode: any bytes are read or refused, and what was read is written and read as the same.
func FuzzDecode(f *testing.F) {
	call := filled()
	f.Add(appendCall(nil, &call))
	f.Add(appendCall(nil, &record.Call{}))
	f.Add([]byte{codecVersion, 0x0a})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCall(b)
		if err != nil {
			return
		}
		again, err := decodeCall(appendCall(nil, &c))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c, again, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

// typical is a call as most are.
func typical(id string) record.Call {
	now := time.Now()
	return record.Call{ID: id, SentID: id, Route: "POST /v1/chat/completions", CallType: "acompletion", Started: now.Add(-800 * time.Millisecond), Ended: now,
		Caller: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Replica: "tollgate-7c9d8b6f5-x2x7k",
		KeyHash: account.HashKey("a key"), KeyAlias: "billing-bot", UserID: "alice@example.com",
		TeamID: "team-finance", TeamAlias: "Finance", Tags: []string{"prod", "invoice"}, KeyMetadata: account.JSON(`{"cost_center":"4711"}`),
		Charges:  []account.Scope{account.KeyScope(account.HashKey("a key")), "team:team-finance", "user:alice@example.com", "global"},
		ClientIP: "10.1.2.3", UserAgent: "OpenAI/Python 2.8.0", Alias: "oci-grok", Group: "oci-grok", Deployment: "a1b2c3d4", Upstream: "xai.grok-4",
		Provider: "oci", APIBase: "https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com", RequestID: "chatcmpl-0123456789abcdef",
		UpstreamRequestID: "ABCDEF/0123456789", Outcome: record.Success, Status: 200, Attempts: []record.Attempt{{Deployment: "a1b2c3d4", Group: "oci-grok", Status: 200, Duration: 790 * time.Millisecond}},
		PromptTokens: 1200, CompletionTokens: 340, UsageKnown: true, Cost: 8_700_000_000, CostKnown: true, FirstByte: 300 * time.Millisecond, Upstreams: 790 * time.Millisecond}
}

func BenchmarkEncode(b *testing.B) {
	c := typical("call")
	b.Run("spool", func(b *testing.B) {
		var buffer []byte
		b.ReportAllocs()
		for b.Loop() {
			buffer = appendCall(buffer[:0], &c)
		}
		b.ReportMetric(float64(len(buffer)), "bytes")
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	c := typical("call")
	encoded := appendCall(nil, &c)
	asJSON, err := json.Marshal(&c)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("spool", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeCall(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var c record.Call
			if err := json.Unmarshal(asJSON, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
