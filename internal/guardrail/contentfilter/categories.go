package contentfilter

// category is a list of words for one thing, built in or of a file.
type category struct {
	Name        string    `yaml:"category_name"`
	Description string    `yaml:"description"`
	Action      string    `yaml:"default_action"`
	Keywords    []keyword `yaml:"keywords"`
	Exceptions  []string  `yaml:"exceptions"`
}

type keyword struct {
	Keyword  string `yaml:"keyword"`
	Severity string `yaml:"severity"`
}

// words are keywords of three severities.
func words(high, medium, low []string) []keyword {
	var list []keyword
	for i, group := range [][]string{low, medium, high} {
		for _, w := range group {
			list = append(list, keyword{w, severities[i]})
		}
	}
	return list
}

// categories are those that are built in. Their lists are short: they find what is said plainly, in English.
var categories = map[string]category{
	"harmful_self_harm": {Keywords: words(
		[]string{"how to kill myself", "how to commit suicide", "best way to kill myself", "painless way to die", "ways to end my life", "suicide method", "suicide methods", "lethal dose for suicide", "how to hang myself", "how to cut myself", "write my suicide note"},
		[]string{"kill myself", "end my life", "want to die", "hurt myself", "harm myself", "cutting myself", "starve myself", "suicide note"},
		[]string{"suicide", "suicidal", "self-harm", "self harm"}),
		Exceptions: []string{"suicide prevention", "crisis line", "suicide hotline", "research on suicide", "suicide squad", "help a friend"}},
	"harmful_violence": {Keywords: words(
		[]string{"how to kill someone", "how to murder", "how to poison someone", "how to strangle", "hire a hitman", "hire a killer", "plan a mass shooting", "plan a terrorist attack", "get away with murder"},
		[]string{"kill him", "kill her", "kill them all", "beat him up", "stab someone", "shoot someone", "torture someone", "mass shooting"},
		[]string{"murder", "massacre", "assassinate", "behead"}),
		Exceptions: []string{"murder mystery", "crime novel", "in the game", "video game", "kill the process", "history of"}},
	"harmful_illegal_weapons": {Keywords: words(
		[]string{"how to make a bomb", "how to build a bomb", "build a pipe bomb", "make a pipe bomb", "make explosives", "homemade explosives", "make a molotov cocktail", "3d print a gun", "3d printed gun", "untraceable gun", "build a ghost gun", "make nerve gas", "synthesize sarin", "make a silencer"},
		[]string{"ghost gun", "pipe bomb", "buy guns illegally", "buy a gun without background check", "convert to full auto", "dirty bomb", "bump stock"},
		[]string{"molotov", "explosives", "detonator"}),
		Exceptions: []string{"bath bomb", "bomb disposal", "museum", "photo bomb"}},
	"bias_gender": {Keywords: words(
		[]string{"women belong in the kitchen", "women are inferior", "women are too emotional to lead", "women should not work", "women cannot drive", "men are superior to women", "men are all rapists"},
		[]string{"women are bad at", "women can't do math", "girls can't code", "not a job for women", "not a job for a man", "man up and", "act like a lady"},
		[]string{"like a girl", "bossy woman", "hysterical woman"}),
		Exceptions: []string{"stereotype", "bias training", "debunk", "discrimination"}},
	"bias_sexual_orientation": {Keywords: words(
		[]string{"homosexuality is a disease", "gays should die", "cure homosexuality", "pray the gay away", "gay people are unnatural", "lesbians are sick", "trans people are mentally ill"},
		[]string{"that's so gay", "no homo", "gay agenda", "gay lifestyle choice", "turn him straight", "not a real woman because she is trans"},
		[]string{"homosexual lifestyle"}),
		Exceptions: []string{"stereotype", "bias training", "debunk", "discrimination", "history of"}},
	"bias_racial": {Keywords: words(
		[]string{"racially inferior", "white supremacy is right", "white power", "master race", "racial purity", "subhuman race", "go back to africa", "jews control", "blacks are criminals", "asians are all"},
		[]string{"go back to your country", "great replacement", "they all look the same", "you people are all", "race mixing is"},
		[]string{"reverse racism", "illegal aliens"}),
		Exceptions: []string{"stereotype", "bias training", "debunk", "discrimination", "history of"}},
	"bias_religious": {Keywords: words(
		[]string{"all muslims are terrorists", "muslims are terrorists", "jews are greedy", "christians are stupid", "hindus are dirty", "islam is evil", "ban all muslims", "kill the infidels"},
		[]string{"muslims should leave", "jewish conspiracy", "religion of terror", "godless atheists are", "sharia takeover"},
		[]string{"heathen", "infidel"}),
		Exceptions: []string{"stereotype", "bias training", "debunk", "discrimination", "history of"}},
	"denied_financial_advice": {Keywords: words(
		[]string{"should i buy stock", "should i buy stocks", "should i sell my stock", "which stock should i buy", "which stocks should i buy", "what stock should i buy", "should i invest in", "where should i invest my money", "guaranteed returns", "should i buy bitcoin", "which crypto should i buy", "give me investment advice"},
		[]string{"investment advice", "stock tip", "stock tips", "stock pick", "stock picks", "should i refinance", "retirement plan should i", "tax advice for me", "best stocks to buy", "best crypto to buy"},
		[]string{"portfolio allocation", "market prediction", "financial advice"}),
		Exceptions: []string{"what is a stock", "definition of", "stock photo", "in stock", "out of stock"}},
	"denied_medical_advice": {Keywords: words(
		[]string{"should i take this medication", "should i stop taking my medication", "how much insulin should i take", "what dose should i take", "diagnose my symptoms", "do i have cancer", "is it safe to mix my medications", "can i take ibuprofen with", "prescribe me"},
		[]string{"diagnose me", "what medication should i", "what is wrong with me", "should i take antibiotics", "treat my symptoms", "is my rash", "medical advice"},
		[]string{"my symptoms", "side effects of my"}),
		Exceptions: []string{"definition of", "veterinary software", "history of medicine"}},
	"denied_legal_advice": {Keywords: words(
		[]string{"should i sue", "can i sue", "should i plead guilty", "how do i avoid going to jail", "draft my lawsuit", "will i win my case", "should i sign this contract", "represent me in court"},
		[]string{"legal advice", "is my contract enforceable", "can my landlord evict me", "can i be fired for", "should i get a divorce", "my chances in court"},
		[]string{"my lawsuit", "my lawyer says"}),
		Exceptions: []string{"definition of", "history of law", "law school"}},
}
