// Scripts that teach shells the words of sluicectl. One table feeds all three.
#include <iostream>

#include "base/strings.h"
#include "sluicectl.h"

namespace sluice::control {
namespace {

struct Words {
  std::string_view command;  // "" at the top; "app", "route": what stands before.
  std::string_view words;
};

constexpr Words kWords[] = {
    {"",
     "apply get app route proxies validate explain status completion --server --token-file "
     "--help --version"},
    {"apply", "-f --file --if-match --wait --help"},
    {"get", "apps hosts routes config -o --output --help"},
    {"app", "set rm --url --connect-timeout --ca-file --wait --help"},
    {"route",
     "add rm --path --prefix --exact --regex --app --split --respond --body --redirect "
     "--status --strip-prefix --rewrite --host-header --timeout --method --set-header "
     "--set-response-header --id --before --wait --help"},
    {"proxies", "-o --output --help"},
    {"validate", "-f --file --help"},
    {"explain", "--method --header -f --file --help"},
    {"status", "--admin --help"},
    {"completion", "bash zsh fish"},
};

std::string Bash() {
  std::string out =
      "# bash completion of sluicectl:  source <(sluicectl completion bash)\n"
      "_sluicectl() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local command= word\n"
      "  case $previous in\n"
      "    -f|--file|--token-file|--ca-file)\n"
      "      COMPREPLY=($(compgen -f -- \"$current\")); return;;\n"
      "    -o|--output) COMPREPLY=($(compgen -W \"table yaml json\" -- \"$current\")); return;;\n"
      "  esac\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in\n";
  std::string commands, cases;
  for (const Words& entry : kWords) {
    if (entry.command.empty()) continue;
    base::Append(commands, commands.empty() ? "" : "|", entry.command);
  }
  base::Append(out, "      ", commands, ") command=$word; break;;\n    esac\n  done\n",
               "  case $command in\n");
  for (const Words& entry : kWords) {
    base::Append(out, "    ", entry.command.empty() ? "\"\"" : entry.command,
                 ") COMPREPLY=($(compgen -W \"", entry.words, "\" -- \"$current\"));;\n");
  }
  return out + "  esac\n}\ncomplete -F _sluicectl sluicectl\n";
}

std::string Zsh() {
  return "#compdef sluicectl\n"
         "# zsh completion of sluicectl:  source <(sluicectl completion zsh)\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         Bash();
}

std::string Fish() {
  std::string out =
      "# fish completion of sluicectl:  sluicectl completion fish | source\n"
      "complete -c sluicectl -f\n";
  for (const Words& entry : kWords) {
    const std::string condition = entry.command.empty()
                                      ? "__fish_use_subcommand"
                                      : base::Cat("__fish_seen_subcommand_from ", entry.command);
    for (const std::string_view word : base::Split(entry.words, ' ')) {
      base::Append(out, "complete -c sluicectl -n '", condition, "' ");
      if (word.starts_with("--")) {
        const bool file = word == "--file" || word == "--token-file" || word == "--ca-file";
        base::Append(out, "-l ", word.substr(2), file ? " -r -F\n" : "\n");
      } else if (word.starts_with('-')) {
        base::Append(out, "-s ", word.substr(1), word == "-f" ? " -r -F\n" : "\n");
      } else {
        base::Append(out, "-a ", word, "\n");
      }
    }
  }
  return out;
}

}  // namespace

int Completion(const std::string& shell) {
  std::cout << (shell == "bash" ? Bash() : shell == "zsh" ? Zsh() : Fish());
  return kOk;
}

}  // namespace sluice::control
