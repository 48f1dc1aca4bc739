package redisconn

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"

	"tollgate/internal/setting"
)

// clusterNodes reads redis_startup_nodes, [{"host": "10.0.0.1", "port": 7001}], or the same as JSON in REDIS_CLUSTER_NODES.
func clusterNodes(m *setting.Map) []string {
	const name, example = "redis_startup_nodes", `must be a list such as [{"host": "10.0.0.1", "port": 7001}]`
	text := listText(m, name, "REDIS_CLUSTER_NODES")
	if text == "" {
		return nil
	}
	var nodes []struct {
		Host string `json:"host"`
		Port any    `json:"port"`
	}
	if decode(text, &nodes) != nil {
		m.Fault(name, example)
		return nil
	}
	var addrs []string
	for _, n := range nodes {
		port, ok := portOf(n.Port)
		if n.Host == "" || !ok {
			m.Fault(name, example)
			return nil
		}
		addrs = append(addrs, net.JoinHostPort(n.Host, port))
	}
	return addrs
}

// sentinelNodes reads sentinel_nodes, [["10.0.0.1", 26379]], or the same as JSON in REDIS_SENTINEL_NODES.
func sentinelNodes(m *setting.Map) []string {
	const name, example = "sentinel_nodes", `must be a list such as [["10.0.0.1", 26379]]`
	text := listText(m, name, "REDIS_SENTINEL_NODES")
	if text == "" {
		return nil
	}
	var nodes [][]any
	if decode(text, &nodes) != nil {
		m.Fault(name, example)
		return nil
	}
	var addrs []string
	for _, n := range nodes {
		if len(n) != 2 {
			m.Fault(name, example)
			return nil
		}
		host, _ := n[0].(string)
		port, ok := portOf(n[1])
		if host == "" || !ok {
			m.Fault(name, example)
			return nil
		}
		addrs = append(addrs, net.JoinHostPort(host, port))
	}
	return addrs
}

// listText is a setting as JSON: a list of the configuration, or a text of it or of the variable.
func listText(m *setting.Map, name, env string) string {
	switch v := m.Any(name).(type) {
	case nil, string:
		return m.Text(name, env)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			m.Fault(name, "%v", err)
		}
		return string(text)
	}
}

func decode(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// portOf reads a port, which may be a number or a text.
func portOf(v any) (string, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return text, err == nil && n > 0
}
