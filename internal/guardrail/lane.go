package guardrail

import (
	"bytes"
	"context"
	"slices"

	"tollgate/internal/content"
	"tollgate/internal/jsonscan"
)

// choice is one answer of a stream's n.
type choice struct {
	index    int
	lanes    []*lane  // in the order in which they came
	active   *lane    // the one that was written last
	calls    [][]byte // pieces with tool calls, held until the choice has ended
	finished bool
	changed  bool // a text has been masked, or put back
}

// laneKey tells the texts of a choice apart.
type laneKey struct {
	field string
	call  int
	input bool // of a tool
}

// lane is one text of a choice: content, reasoning, the arguments of a call ...
type lane struct {
	key    laneKey
	text   content.Text // without Value
	stages []stage
	value  string // of a text that is held whole
}

// inputFields are the fields of what a tool is called with.
var inputFields = []string{"arguments", "input", "function_call"}

func keyOf(t *content.Text) laneKey {
	return laneKey{field: t.Field, call: t.Call, input: slices.Contains(inputFields, t.Field)}
}

func (g *guarded) choice(index int) *choice {
	c := g.choices[index]
	if c == nil {
		c = &choice{index: index}
		g.choices[index] = c
		g.order = append(g.order, index)
	}
	return c
}

// lane finds the lane of a text, or starts it.
func (g *guarded) lane(c *choice, t *content.Text) *lane {
	key := keyOf(t)
	for _, l := range c.lanes {
		if l.key == key {
			if l.text.Name == "" {
				l.text.Name = t.Name
			}
			return l
		}
	}
	l := &lane{key: key, text: *t}
	l.text.Value = ""
	if !g.whole && !(key.input && g.judged) {
		for _, u := range g.r.of(PostCall) {
			if u.sees(t) {
				l.stages = append(l.stages, newWindow(g.r, u, l.text, &c.changed))
			}
		}
		if g.r.restore != nil {
			l.stages = append(l.stages, &restoring{r: g.r.restore, kind: t.Kind, changed: &c.changed})
		}
	}
	c.lanes = append(c.lanes, l)
	return l
}

func (l *lane) feed(ctx context.Context, text string, final bool) (string, error) {
	for _, s := range l.stages {
		var err error
		if text, err = s.feed(ctx, text, final); err != nil {
			return "", err
		}
	}
	return text, nil
}

// pass works on one piece of a stream whose texts are judged by windows.
func (g *guarded) pass(p *content.Piece) error {
	if p.Choice < 0 {
		g.send(p.Data, false)
		return nil
	}
	c := g.choice(p.Choice)
	here := make([]*lane, len(p.Texts))
	for i := range p.Texts {
		here[i] = g.lane(c, &p.Texts[i])
	}
	if err := g.leave(c, here); err != nil {
		return err
	}
	texts, calls, err := g.feed(c, p, here)
	if err != nil {
		return err
	}
	data, err := p.With(texts)
	if err != nil {
		return err
	}
	said := slices.ContainsFunc(texts, func(s string) bool { return s != "" })
	if calls {
		if err := g.hold(&c.calls, data); err != nil {
			return err
		}
	}
	if p.Finished {
		return g.finishWith(c, here, data, calls)
	}
	if !calls && (said || len(texts) == 0 || !p.TextsOnly || p.Usage()) {
		g.send(data, said)
	}
	return nil
}

// leave ends the text that was written before, when another one of the choice begins: what a model has thought is sent before
// what it says.
func (g *guarded) leave(c *choice, here []*lane) error {
	if c.active == nil || len(here) == 0 || slices.Contains(here, c.active) {
		return nil
	}
	l := c.active
	c.active = nil
	return g.flush(l)
}

// flush sends what a lane holds back, in a piece of its own.
func (g *guarded) flush(l *lane) error {
	text, err := l.feed(g.ctx, "", true)
	if err != nil || text == "" {
		return err
	}
	g.send(g.last.Saying(&l.text, text), true)
	return nil
}

// feed gives the texts of a piece to their lanes. texts are what comes out of them; calls tells whether the piece must be held
// until the choice has ended.
func (g *guarded) feed(c *choice, p *content.Piece, here []*lane) (texts []string, calls bool, err error) {
	texts = values(p.Body)
	for i, l := range here {
		if l.key.input && g.judged {
			l.value += texts[i]
			calls = true
			continue
		}
		more := slices.Contains(here[i+1:], l)
		final := !more && (p.Finished || slices.ContainsFunc(here[i+1:], func(o *lane) bool { return !o.key.input }))
		if texts[i], err = l.feed(g.ctx, texts[i], final); err != nil {
			return nil, false, err
		}
		c.active = l
	}
	return texts, calls || p.Cites() || len(c.calls) > 0 && !p.TextsOnly && !p.Finished, nil
}

// finishWith ends a choice: what it still holds goes out before the piece that tells why it has ended.
func (g *guarded) finishWith(c *choice, here []*lane, data []byte, calls bool) error {
	if err := g.finish(c, here); err != nil {
		return err
	}
	c.finished = true
	if !calls { // else it went out with the others
		g.send(data, true)
	}
	return nil
}

// finish sends what a choice holds back; the lanes of here have ended already.
func (g *guarded) finish(c *choice, here []*lane) error {
	for _, l := range c.lanes {
		if len(l.stages) > 0 && !slices.Contains(here, l) {
			if err := g.flush(l); err != nil {
				return err
			}
		}
	}
	c.active = nil
	return g.sendCalls(c)
}

// sendCalls judges the arguments of a choice's tool calls, each as a whole, and sends the pieces that hold them.
func (g *guarded) sendCalls(c *choice) error {
	if len(c.calls) == 0 {
		return nil
	}
	body := &content.Body{Surface: g.r.surface}
	var lanes []*lane
	for _, l := range c.lanes {
		if l.key.input && l.value != "" {
			t := l.text
			t.Value = content.Unescaped(l.value)
			body.Texts, lanes = append(body.Texts, t), append(lanes, l)
		}
	}
	held := c.calls
	c.calls = nil
	if len(lanes) == 0 {
		return g.rewrite(held, nil)
	}
	texts, changed, err := g.r.chain(g.ctx, PostCall, body, g.r.request)
	if err != nil {
		return err
	}
	if changed = g.r.restore.all(body.Texts, texts) || changed; changed {
		if err := g.r.checkArguments(body, texts); err != nil {
			return err
		}
	}
	now := map[*lane]*string{}
	for i, l := range lanes {
		if texts[i] != body.Texts[i].Value {
			now[l], c.changed = &texts[i], true
		}
		l.value = ""
	}
	return g.rewrite(held, now)
}

// checkArguments refuses arguments that were JSON and are none any more.
func (r *Run) checkArguments(body *content.Body, texts []string) error {
	for i := range texts {
		t := &body.Texts[i]
		if t.Kind == content.Arguments && texts[i] != t.Value && jsonscan.Valid([]byte(t.Value)) == nil && jsonscan.Valid([]byte(texts[i])) != nil {
			return r.unmaskable(PostCall, content.ErrArguments)
		}
	}
	return nil
}

// rewrite sends held pieces with other texts in the lanes that have changed: the first piece of a lane gets the new text, and
// the others none.
func (g *guarded) rewrite(held [][]byte, now map[*lane]*string) error {
	for _, data := range held {
		pieces, err := content.Pieces(g.r.surface, data)
		if err != nil {
			return err
		}
		p := pieces[0]
		if p.Choice < 0 || !g.choice(p.Choice).changed {
			g.send(data, true)
			continue
		}
		if p.Cites() {
			g.send(p.Uncited(), true)
			continue
		}
		texts, touched, said := values(p.Body), false, false
		for i := range p.Texts {
			if text, ok := now[g.lane(g.choice(p.Choice), &p.Texts[i])]; ok {
				texts[i], touched = *text, true
				*text = ""
			}
			said = said || texts[i] != ""
		}
		if data, err = p.With(texts); err != nil {
			return err
		}
		if !touched || said || !p.TextsOnly || p.Finished || p.Usage() {
			g.send(data, true)
		}
	}
	return nil
}

// judgeWhole judges an answer that was held back, and sends it.
func (g *guarded) judgeWhole() error {
	body, lanes, err := g.texts()
	if err != nil {
		return err
	}
	texts, changed, err := g.r.chain(g.ctx, PostCall, body, g.r.request)
	if err != nil {
		return err
	}
	if changed = g.r.restore.all(body.Texts, texts) || changed; changed {
		if err := g.r.checkArguments(body, texts); err != nil {
			return err
		}
	}
	now := map[*lane]*string{}
	for i, l := range lanes {
		if texts[i] != body.Texts[i].Value {
			now[l] = &texts[i]
			g.choice(l.text.Index).changed = true
		}
	}
	held := g.held
	g.held = nil
	return g.rewrite(held, now)
}

// texts puts the texts of the pieces together that are held back.
func (g *guarded) texts() (*content.Body, []*lane, error) {
	body := &content.Body{Surface: g.r.surface}
	var lanes []*lane
	parts := map[*lane]*bytes.Buffer{}
	for _, data := range g.held {
		pieces, err := content.Pieces(g.r.surface, data)
		if err != nil {
			return nil, nil, err
		}
		p := pieces[0]
		if p.Choice < 0 {
			continue
		}
		c := g.choice(p.Choice)
		for i := range p.Texts {
			l := g.lane(c, &p.Texts[i])
			if parts[l] == nil {
				parts[l] = &bytes.Buffer{}
				lanes = append(lanes, l)
			}
			parts[l].WriteString(p.Texts[i].Value)
		}
	}
	slices.SortStableFunc(lanes, func(a, b *lane) int { return a.text.Index - b.text.Index })
	for _, l := range lanes {
		t := l.text
		if t.Value = parts[l].String(); t.Kind == content.Arguments {
			t.Value = content.Unescaped(t.Value)
		}
		body.Texts = append(body.Texts, t)
	}
	return body, lanes, nil
}
