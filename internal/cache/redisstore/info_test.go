package redisstore

import (
	"reflect"
	"testing"
)

func TestParseClients(t *testing.T) {
	got := parseClients("id=3 addr=127.0.0.1:52555 name= lib-name=go-redis(,go1.26)\r\nid=4 addr=[::1]:1 cmd=client|list\n\n")
	want := []map[string]string{{"id": "3", "addr": "127.0.0.1:52555", "name": "", "lib-name": "go-redis(,go1.26)"}, {"id": "4", "addr": "[::1]:1", "cmd": "client|list"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func FuzzInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\ndb0:keys=1,expires=1\r\n")
	f.Add("id=3 addr=127.0.0.1:1 name=\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name := range parseInfo(text) {
			if name != "" && name[0] == '#' {
				t.Errorf("a heading as a field: %q", name)
			}
		}
		for _, c := range parseClients(text) {
			if len(c) == 0 {
				t.Error("a client without fields")
			}
		}
	})
}
