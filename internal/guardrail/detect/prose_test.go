package detect_test

import "strings"

// prose is a text of n bytes as people write: words, some numbers, some punctuation, some other scripts.
func prose(n int) string {
	const paragraph = "The harbour lay quiet when the ferry came in at half past seven, and the 14 passengers who had been waiting since noon rose from their " +
		"benches. Nobody spoke much; the wind had turned to the north-east, and the captain, a stout woman named Ilse, wanted to be gone before dark. " +
		"\"Mind the step,\" she said. In 1987 the old pier had burned down, and what stood there now was built of concrete (see p. 112 of the report). " +
		"Später, im Café am Markt, erzählte er von früher; personne ne l'écoutait vraiment. Они молчали. 港は静かだった。\n\n"
	return strings.Repeat(paragraph, n/len(paragraph)+1)[:n]
}
