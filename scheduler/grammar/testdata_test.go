package grammar

// Grammars that tests and benchmarks use.
const (
	jsonGrammar = `# any JSON value
root   ::= ws value
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( member ("," ws member)* )? "}" ws
member ::= string ":" ws value
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
`
	codeGrammar = `# functions of a small language like C
root       ::= ws (function | declaration)+
function   ::= type ident "(" ws (parameter ("," ws parameter)*)? ")" ws block
parameter  ::= type ident ("[" ws "]" ws)?
type       ::= ("const" sp)? ("int" | "char" | "float" | "double" | "void" | "unsigned" sp "int" | "struct" sp name) sp ("*" ws)*
declaration ::= type ident ("=" ws expression)? ("," ws ident ("=" ws expression)?)* ";" ws
block      ::= "{" ws statement* "}" ws
statement  ::= declaration | block | expression ";" ws
             | "if" ws "(" ws expression ")" ws statement ("else" sp statement)?
             | "while" ws "(" ws expression ")" ws statement
             | "for" ws "(" ws (declaration | expression? ";" ws) expression? ";" ws expression? ")" ws statement
             | "return" (sp expression)? ws ";" ws | ("break" | "continue") ws ";" ws | comment
expression ::= term (operator ws term)*
operator   ::= "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||" | "=" | "+=" | "-=" | "<<" | ">>" | "&" | "|" | "^"
term       ::= [-!~*&]{0,3} (ident | number | string | "(" ws expression ")" ws) suffix*
suffix     ::= "(" ws (expression ("," ws expression)*)? ")" ws | "[" ws expression "]" ws | ("." | "->") ident | ("++" | "--") ws
name       ::= [a-zA-Z_] [a-zA-Z0-9_]*
ident      ::= name ws
number     ::= [0-9]+ ("." [0-9]*)? [fFuUlL]{0,3} ws
string     ::= "\"" ([^"\\\n] | "\\" .)* "\"" ws | "'" ([^'\\\n] | "\\" .) "'" ws
comment    ::= "//" [^\n]* "\n" ws
sp         ::= [ \t\n]+
ws         ::= [ \t\n]*
`
	// A schema that refers to itself, as package jsonschema writes it.
	treeGrammar = `root ::= "{" ws "\"name\"" ":" ws name "," ws "\"size\"" ":" ws size ("," ws "\"children\"" ":" ws "[" ws (root ("," ws root){0,7})? ws "]")? ws "}"
name ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4}) ){1,40} "\""
size ::= "0" | [1-9] [0-9]{0,8}
ws   ::= | " " | "\n" [ \t]{0,20}
`
)
