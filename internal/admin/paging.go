package admin

// page is the part of a list that was asked for; the first page is 1.
type page struct {
	number, size int
}

// offset is how many come before the page.
func (p page) offset() int { return (p.number - 1) * p.size }

// pages is how many pages total things fill. None fill no page, as LiteLLM counts.
func (p page) pages(total int) int { return (total + p.size - 1) / p.size }

// cut returns the part of list that is on the page.
func cut[T any](list []T, p page) []T {
	from := min(p.offset(), len(list))
	return list[from:min(from+p.size, len(list))]
}
