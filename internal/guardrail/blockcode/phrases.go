package blockcode

// runs are phrases that ask for something to be run.
var runs = append(combined(
	[]string{"run", "execute", "evaluate", "launch"},
	[]string{"this", "the", "these", "my", "that", "following", "the following"},
	[]string{"code", "script", "scripts", "command", "commands", "program", "snippet", "query", "queries", "notebook", "cell", "tests", "test suite", "binary", "function", "sql", "shell command", "python code"},
),
	"run it and", "and run it", "and execute it", "then run it", "just run it", "compile and run", "build and run", "please run", "please execute", "can you run", "can you execute", "could you run",
	"run `", "execute `", "run code", "execute code", "run a shell", "open a shell", "open a reverse shell", "run a subprocess", "run curl", "run bash", "run python",
	"read /etc/", "cat /etc/", "list the files in", "tell me what it prints", "tell me what it returns", "show me the output of running", "give me the real output",
	"führe diesen code aus", "führe das skript aus", "exécute ce code", "exécute ce script", "ejecuta este código", "ejecuta este script", "esegui questo codice",
)

// rests are phrases that want code looked at, and not run.
var rests = []string{
	"do not run", "don't run", "dont run", "never run", "without running", "do not execute", "don't execute", "dont execute", "without executing", "no execution", "just explain", "only explain",
	"explain what", "explain how", "what would happen if", "what would this", "what does this", "is it safe to run", "refactor", "review this", "write a function", "nicht ausführen", "sans l'exécuter", "sin ejecutar",
}

// combined are all phrases of one word of each list.
func combined(lists ...[]string) []string {
	phrases := []string{""}
	for i, list := range lists {
		var longer []string
		for _, p := range phrases {
			for _, w := range list {
				if i > 0 {
					w = p + " " + w
				}
				longer = append(longer, w)
			}
		}
		phrases = longer
	}
	return phrases
}
