package ledger

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"tollgate/internal/account"
	"tollgate/internal/record"
)

// A call in the spool is a byte that names the encoding, and fields in the wire format of Protocol Buffers, in the order
// of their numbers. Zero values are left out. A field of a later version is skipped by an earlier one; a number is
// never used again.
const codecVersion = 1

// errRecord says that bytes are not a call of an encoding that this version knows.
var errRecord = errors.New("ledger: not a record of a call")

// fields visits the fields of a call in the order of their numbers: the one description that both encoding and decoding
// follow.
func fields(v *visitor, c *record.Call) {
	v.text(1, &c.ID)
	v.text(2, &c.Route)
	v.text(3, &c.CallType)
	v.time(4, &c.Started)
	v.time(5, &c.Ended)
	v.text(6, &c.Caller)
	v.text(7, &c.Replica)
	v.text(8, &c.KeyHash)
	v.text(9, &c.KeyAlias)
	v.text(10, &c.UserID)
	v.text(11, &c.TeamID)
	v.text(12, &c.TeamAlias)
	v.text(13, &c.OrgID)
	v.text(14, &c.EndUser)
	texts(v, 15, &c.Tags)
	v.json(16, &c.KeyMetadata)
	v.json(17, &c.Metadata)
	texts(v, 18, &c.Charges)
	v.text(19, &c.SessionID)
	v.text(20, &c.ClientIP)
	v.text(21, &c.UserAgent)
	v.text(22, &c.Alias)
	v.text(23, &c.Group)
	v.text(24, &c.Deployment)
	v.text(25, &c.Upstream)
	v.text(26, &c.Provider)
	v.text(27, &c.APIBase)
	v.flag(28, &c.Stream)
	v.text(29, &c.RequestID)
	v.text(30, &c.UpstreamRequestID)
	v.text(31, (*string)(&c.Outcome))
	v.count(32, &c.Status)
	v.text(33, &c.Error)
	v.text(34, &c.ErrorType)
	v.count(35, &c.Retries)
	v.count(36, &c.Fallbacks)
	attempts(v, 37, &c.Attempts)
	v.count(38, &c.PromptTokens)
	v.count(39, &c.CompletionTokens)
	v.count(40, &c.CachedTokens)
	v.count(41, &c.CacheWrittenTokens)
	v.count(42, &c.ReasoningTokens)
	v.flag(43, &c.UsageKnown)
	v.flag(44, &c.Estimated)
	v.integer(45, (*int64)(&c.Cost))
	v.flag(46, &c.CostKnown)
	v.integer(47, (*int64)(&c.FirstByte))
	v.integer(48, (*int64)(&c.Upstreams))
	v.json(49, &c.Prompt)
	v.json(50, &c.Reply)
	v.text(51, &c.SentID)
	v.flag(52, &c.CacheHit)
	v.text(53, &c.CacheKey)
	v.double(54, &c.CacheSimilarity)
	v.integer(55, (*int64)(&c.SavedCost))
	guardrails(v, 56, &c.Guardrails)
}

func attemptFields(v *visitor, a *record.Attempt) {
	v.text(1, &a.Deployment)
	v.text(2, &a.Group)
	v.count(3, &a.Status)
	v.integer(4, (*int64)(&a.Duration))
	v.text(5, &a.Error)
	v.flag(6, &a.MaybeBilled)
}

// appendCall appends a call as it stands in the spool. Times lose their zone, and nil and empty lists are the same.
func appendCall(dst []byte, c *record.Call) []byte {
	v := visitor{out: append(dst, codecVersion), encode: true}
	fields(&v, c)
	return v.out
}

// decodeCall reads a call. It shares no memory with b.
func decodeCall(b []byte) (record.Call, error) {
	var c record.Call
	if len(b) == 0 || b[0] != codecVersion {
		return c, errRecord
	}
	v := visitor{in: b[1:]}
	v.advance()
	fields(&v, &c)
	return c, v.end()
}

// visitor encodes or decodes. To decode it walks over the fields that are there, in the order of their numbers, while
// it is asked for those that it knows.
type visitor struct {
	encode bool
	out    []byte

	in     []byte // behind the field at hand
	number protowire.Number
	kind   protowire.Type
	word   uint64 // of a varint
	bytes  []byte // of what has a length
	err    error
}

// last is the number of the field at hand when there is none any more.
const last = protowire.MaxValidNumber + 1

// advance takes the next field in hand.
func (v *visitor) advance() {
	if len(v.in) == 0 || v.err != nil {
		v.number = last
		return
	}
	before := v.number
	number, kind, n := protowire.ConsumeTag(v.in)
	if n < 0 || number < before {
		v.fail()
		return
	}
	v.in = v.in[n:]
	v.number, v.kind = number, kind
	switch kind {
	case protowire.VarintType:
		v.word, n = protowire.ConsumeVarint(v.in)
	case protowire.BytesType:
		v.bytes, n = protowire.ConsumeBytes(v.in)
	default:
		n = -1
	}
	if n < 0 {
		v.fail()
		return
	}
	v.in = v.in[n:]
}

func (v *visitor) fail() { v.err, v.number = errRecord, last }

// at reports whether the field at hand has a number and a kind, after it has skipped those that nobody has asked for.
func (v *visitor) at(number protowire.Number, kind protowire.Type) bool {
	for v.number < number {
		v.advance()
	}
	if v.number != number {
		return false
	}
	if v.kind != kind {
		v.fail()
		return false
	}
	return true
}

// end walks over what is left, fields of a later version, and says what was wrong.
func (v *visitor) end() error {
	for v.number != last {
		v.advance()
	}
	return v.err
}

func (v *visitor) integer(number protowire.Number, to *int64) {
	switch {
	case !v.encode:
		if v.at(number, protowire.VarintType) {
			*to = protowire.DecodeZigZag(v.word)
			v.advance()
		}
	case *to != 0:
		v.out = protowire.AppendTag(v.out, number, protowire.VarintType)
		v.out = protowire.AppendVarint(v.out, protowire.EncodeZigZag(*to))
	}
}

func (v *visitor) count(number protowire.Number, to *int) {
	n := int64(*to)
	v.integer(number, &n)
	*to = int(n)
}

// double visits a number by its bits.
func (v *visitor) double(number protowire.Number, to *float64) {
	bits := int64(math.Float64bits(*to))
	v.integer(number, &bits)
	*to = math.Float64frombits(uint64(bits))
}

func (v *visitor) flag(number protowire.Number, to *bool) {
	n := 0
	if *to {
		n = 1
	}
	v.count(number, &n)
	*to = n != 0
}

func (v *visitor) time(number protowire.Number, to *time.Time) {
	var n int64
	if !to.IsZero() {
		n = to.UnixNano()
	}
	v.integer(number, &n)
	if !v.encode && n != 0 {
		*to = time.Unix(0, n).UTC()
	}
}

func (v *visitor) text(number protowire.Number, to *string) {
	switch {
	case !v.encode:
		if v.at(number, protowire.BytesType) {
			*to = string(v.bytes)
			v.advance()
		}
	case *to != "":
		v.out = protowire.AppendTag(v.out, number, protowire.BytesType)
		v.out = protowire.AppendString(v.out, *to)
	}
}

func (v *visitor) json(number protowire.Number, to *account.JSON) {
	switch {
	case !v.encode:
		if v.at(number, protowire.BytesType) {
			*to = append(account.JSON(nil), v.bytes...)
			v.advance()
		}
	case len(*to) > 0:
		v.out = protowire.AppendTag(v.out, number, protowire.BytesType)
		v.out = protowire.AppendBytes(v.out, *to)
	}
}

// texts visits a list; its field is there once for each element, empty ones included.
func texts[T ~string](v *visitor, number protowire.Number, to *[]T) {
	if v.encode {
		for _, text := range *to {
			v.out = protowire.AppendTag(v.out, number, protowire.BytesType)
			v.out = protowire.AppendString(v.out, string(text))
		}
		return
	}
	for v.at(number, protowire.BytesType) {
		*to = append(*to, T(v.bytes))
		v.advance()
	}
}

// guardrails visits a list of JSON objects: each in the shape that the row shows.
func guardrails(v *visitor, number protowire.Number, to *[]record.Guardrail) {
	if v.encode {
		for i := range *to {
			text, err := json.Marshal(&(*to)[i])
			if err != nil { // a vendor's reply that is no JSON: what we say of it ourselves is kept
				bare := (*to)[i]
				bare.Response = nil
				text = jsonOf(bare)
			}
			v.out = protowire.AppendTag(v.out, number, protowire.BytesType)
			v.out = protowire.AppendBytes(v.out, text)
		}
		return
	}
	for v.at(number, protowire.BytesType) {
		var g record.Guardrail
		if json.Unmarshal(v.bytes, &g) != nil {
			v.fail()
			return
		}
		*to = append(*to, g)
		v.advance()
	}
}

func attempts(v *visitor, number protowire.Number, to *[]record.Attempt) {
	if v.encode {
		for i := range *to {
			inner := visitor{encode: true}
			attemptFields(&inner, &(*to)[i])
			v.out = protowire.AppendTag(v.out, number, protowire.BytesType)
			v.out = protowire.AppendBytes(v.out, inner.out)
		}
		return
	}
	for v.at(number, protowire.BytesType) {
		inner := visitor{in: v.bytes}
		inner.advance()
		var a record.Attempt
		attemptFields(&inner, &a)
		if inner.end() != nil {
			v.fail()
			return
		}
		*to = append(*to, a)
		v.advance()
	}
}
