package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCommand) Help() string {
	return `Writes a script that has a shell complete commands, flags and their choices.

Examples:
  source <(umbra completion bash)
  umbra completion zsh > ~/.zfunc/_umbra
  umbra completion fish > ~/.config/fish/completions/umbra.fish`
}

// Run writes the script, by the commands and flags as they are.
func (r *completionCommand) Run(c *console, k *kong.Kong) error {
	if r.Shell == "fish" {
		return fish(c.out, k.Model.Node)
	}
	var b strings.Builder
	if r.Shell == "zsh" {
		b.WriteString("#compdef umbra\nautoload -U +X bashcompinit && bashcompinit\n")
	}
	b.WriteString("_umbra() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n\tcase \"${COMP_WORDS[1]} $before\" in\n")
	for _, n := range k.Model.Children {
		for _, f := range n.Flags {
			if f.Enum != "" {
				fmt.Fprintf(&b, "\t\"%s --%s\") words='%s' ;;\n", n.Name, f.Name, strings.ReplaceAll(f.Enum, ",", " "))
			} else if !f.IsBool() {
				fmt.Fprintf(&b, "\t\"%s --%s\") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", n.Name, f.Name)
			}
		}
	}
	b.WriteString("\t*) case ${COMP_WORDS[1]} in\n")
	for _, n := range k.Model.Children {
		fmt.Fprintf(&b, "\t\t%s) words='%s' ;;\n", n.Name, strings.Join(words(n), " "))
	}
	b.WriteString("\t\tesac ;;\n\tesac\n\tif [ \"$COMP_CWORD\" -eq 1 ]; then words='" + strings.Join(words(k.Model.Node), " ") + "'; fi\n" +
		"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n\tif [ ${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- \"$word\")); fi\n}\ncomplete -F _umbra umbra\n")
	_, err := io.WriteString(c.out, b.String())
	return err
}

// words are what may follow a command: commands below it and flags.
func words(n *kong.Node) (all []string) {
	for _, c := range n.Children {
		all = append(all, c.Name)
	}
	for _, f := range n.Flags {
		all = append(all, "--"+f.Name)
	}
	slices.Sort(all)
	return all
}

func fish(out io.Writer, root *kong.Node) error {
	quoted := func(s string) string {
		first, _, _ := strings.Cut(s, ".")
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(first) + "'"
	}
	var b strings.Builder
	for _, n := range root.Children {
		fmt.Fprintf(&b, "complete -c umbra -n __fish_use_subcommand -f -a %s -d %s\n", n.Name, quoted(n.Help))
		for _, f := range n.Flags {
			fmt.Fprintf(&b, "complete -c umbra -n '__fish_seen_subcommand_from %s' -l %s -d %s", n.Name, f.Name, quoted(f.Help))
			switch {
			case f.Enum != "":
				fmt.Fprintf(&b, " -x -a '%s'", strings.ReplaceAll(f.Enum, ",", " "))
			case !f.IsBool():
				b.WriteString(" -r")
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
