package telemetry

// Series describes one series, for the reference.
type Series struct {
	Name, Type, Help string // the name as it is scraped
	Labels           []string
	Optional         []string // labels that are there where prometheus_metrics_config asks for them
}

// LiteLLMTable are the series with LiteLLM's names, as the code has them.
func LiteLLMTable() []Series {
	var list []Series
	for _, d := range litellmCounters {
		list = append(list, Series{d.name + "_total", "counter", d.help, d.labels, d.optional})
	}
	for _, d := range litellmHistograms {
		list = append(list, Series{d.name, "histogram", d.help, d.labels, nil})
	}
	for _, d := range litellmGauges {
		list = append(list, Series{d.name, "gauge", d.help, d.labels, nil})
	}
	return append(list,
		Series{cooledName + "_total", "counter", cooledHelp, cooledLabels, nil}, Series{unsentName + "_total", "counter", unsentHelp, unsentLabels, nil},
		Series{checksName + "_total", "counter", checksHelp, guardrailRequestLabels, nil}, Series{brokenName + "_total", "counter", brokenHelp, guardrailErrorLabels, nil},
		Series{checkingName, "histogram", checkingHelp, guardrailLatencyLabels, nil})
}

// LiteLLMAbsent are LiteLLM's series that this gateway has nothing to say about.
func LiteLLMAbsent() []string { return append([]string(nil), absent...) }
