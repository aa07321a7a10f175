#include "client/command/completion.h"

#include <algorithm>
#include <optional>
#include <ostream>
#include <string_view>

#include "absl/strings/str_split.h"
#include "client/command/command_tree.h"
#include "client/command/config_files.h"
#include "client/command/mqadmin.h"
#include "client/command/reach.h"
#include "client/command/saved_contexts.h"
#include "client/lib/admin_client.h"
#include "common/files/posix_file_system.h"

namespace mansio::command {
namespace {

// A shell waits for the names while the user looks on.
constexpr absl::Duration kNamesTimeout = absl::Seconds(1);

constexpr char kBash[] = R"(# bash completion for mansio: source <(mansio completion bash)
_mansio() {
  local reply
  mapfile -t reply < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [ "${reply[0]-}" = ":files" ]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
  else
    COMPREPLY=("${reply[@]}")
  fi
}
complete -F _mansio mansio
)";

constexpr char kZsh[] = R"(#compdef mansio
# zsh completion for mansio: source <(mansio completion zsh), after compinit
_mansio() {
  local -a reply
  reply=("${(@f)$(${words[1]} __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "${reply[1]}" == ":files" ]]; then
    _files
  else
    compadd -- ${reply:#}
  fi
}
compdef _mansio mansio
)";

constexpr char kFish[] = R"(# fish completion for mansio: mansio completion fish | source
function __mansio_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l reply ($words[1] __complete -- $words[2..-1] 2>/dev/null)
  if test "$reply[1]" = ":files"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $reply
  end
end
complete -c mansio -f -a '(__mansio_complete)'
)";

using Kind = Candidates::Kind;

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// The option that `word` names, of `app` or of the commands around it.
const CLI::Option* FindOption(const CLI::App* app, const std::string& word) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->check_name(word)) return option;
    }
  }
  return nullptr;
}

// What a value of this option or positional is. A NAME is what the noun is about.
Kind KindOf(const CLI::Option& option, const CLI::App& verb) {
  const std::string type = option.get_type_name();
  const std::string name = option.get_positional() ? option.get_name(true) : "";
  if (type == "FILE") return Kind::kFiles;
  if (type == "CONTEXT") return Kind::kContexts;
  if (type == "TOPIC" || name == "TOPIC") return Kind::kTopics;
  if (type == "GROUP" || name == "GROUP") return Kind::kGroups;
  if (type == "BROKER" || name == "BROKER") return Kind::kBrokers;
  if (name == "KEY") return Kind::kKeys;
  const CLI::App* noun = verb.get_parent();
  if (name != "NAME" || noun == nullptr || verb.get_name() == "create") return Kind::kWords;
  if (noun->get_name() == "topic") return Kind::kTopics;
  if (noun->get_name() == "broker") return Kind::kBrokers;
  return noun->get_name() == "group" ? Kind::kGroups : Kind::kWords;
}

// The words in a type such as "json|yaml"; none of any other.
std::vector<std::string> WordsOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (type.find('|') == std::string::npos) return {};
  return absl::StrSplit(type, '|');
}

std::vector<std::string> OptionNames(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        const std::string full = "--" + name;
        // Each command has a --help.
        if (std::find(names.begin(), names.end(), full) == names.end()) names.push_back(full);
      }
    }
  }
  return names;
}

// Reads the words before the one that is typed.
class Line {
 public:
  explicit Line(const CLI::App& tree) : tree_(tree), app_(&tree) {}

  void Read(const std::string& word) {
    // Some shells hand over --option=value and host:port in three words.
    if (word == "=" && pending_ != nullptr) return;
    if (word == ":" || after_colon_) {
      after_colon_ = word == ":";
      if (last_value_ != nullptr) *last_value_ += word;
      return;
    }
    if (pending_ != nullptr) return TakeValue(word);
    last_value_ = nullptr;
    if (word.starts_with("-")) return ReadOption(word);
    if (app_ == &tree_ && word == kMqadmin) {
      mqadmin_ = true;
    } else if (const CLI::App* command = FindCommand(*app_, word); command != nullptr) {
      app_ = command;
    } else {
      ++positionals_;
    }
  }

  Candidates Complete(std::string typed) {
    if (typed == "=" && pending_ != nullptr) typed.clear();
    const size_t equals = typed.find('=');
    std::string before;
    if (pending_ == nullptr && typed.starts_with("--") && equals != std::string::npos) {
      pending_ = FindOption(app_, typed.substr(0, equals));
      before = typed.substr(0, equals + 1);
      typed = typed.substr(equals + 1);
    }
    if (pending_ != nullptr) {
      OfOption(*pending_);
    } else if (typed.starts_with("-")) {
      found_.words = OptionNames(app_);
    } else {
      OfCommand();
    }
    std::erase_if(found_.words, [&](const std::string& word) { return !word.starts_with(typed); });
    for (std::string& word : found_.words) word = before + word;
    return std::move(found_);
  }

 private:
  void ReadOption(const std::string& word) {
    const size_t equals = word.find('=');
    const CLI::Option* option = FindOption(app_, word.substr(0, equals));
    if (option == nullptr || !TakesValue(*option)) return;
    pending_ = option;
    if (equals != std::string::npos) TakeValue(word.substr(equals + 1));
  }

  void TakeValue(const std::string& value) {
    if (pending_->check_lname("endpoint")) last_value_ = &found_.endpoint;
    if (pending_->check_lname("context")) last_value_ = &found_.saved_context;
    if (last_value_ != nullptr) *last_value_ = value;
    pending_ = nullptr;
  }

  void OfOption(const CLI::Option& option) {
    found_.kind = KindOf(option, *app_);
    found_.words = WordsOf(option);
    if (!option.get_positional() || option.get_name(true) != "NOUN") return;
    for (const CLI::App* noun : Below(tree_)) found_.words.push_back(noun->get_name());
  }

  void OfCommand() {
    if (mqadmin_) {
      for (const MqadminName& known : MqadminNames()) found_.words.push_back(known.name);
      return;
    }
    for (const CLI::App* sub : Below(*app_)) found_.words.push_back(sub->get_name());
    if (!found_.words.empty()) return;
    size_t position = 0;
    for (const CLI::Option* option : app_->get_options()) {
      if (option->get_positional() && position++ == positionals_) return OfOption(*option);
    }
  }

  const CLI::App& tree_;
  const CLI::App* app_;
  const CLI::Option* pending_ = nullptr;  // the option whose value comes next
  std::string* last_value_ = nullptr;
  bool after_colon_ = false;
  bool mqadmin_ = false;
  size_t positionals_ = 0;
  Candidates found_;
};

std::vector<std::string> TopicNames(client::AdminClient& admin) {
  std::vector<std::string> names;
  const auto response = admin.ListTopics();
  if (!response.ok()) return names;
  for (const v1::TopicOverview& topic : response->topics()) names.push_back(topic.topic().name());
  return names;
}

std::vector<std::string> GroupNames(client::AdminClient& admin) {
  std::vector<std::string> names;
  const auto response = admin.ListGroups();
  if (!response.ok()) return names;
  for (const v1::GroupOverview& group : response->groups()) names.push_back(group.group().name());
  return names;
}

std::vector<std::string> BrokerNames(client::AdminClient& admin) {
  std::vector<std::string> names;
  const auto response = admin.ListBrokers();
  if (!response.ok()) return names;
  for (const v1::BrokerOverview& broker : response->brokers()) {
    names.push_back(broker.broker().name());
  }
  return names;
}

std::vector<std::string> ContextNames(const Context& context) {
  std::vector<std::string> names;
  PosixFileSystem files;
  const auto saved = ContextFile(&files, context.config_directory).Load();
  if (!saved.ok()) return names;
  for (const auto& [name, unused] : saved->contexts) names.push_back(name);
  return names;
}

// Names that only the cluster or the user's files know; none when they cannot be had.
std::vector<std::string> NamesOf(const Candidates& candidates, Context& context) {
  if (candidates.kind == Kind::kContexts) return ContextNames(context);
  if (candidates.kind == Kind::kKeys) return ConfigKeys("broker");
  if (candidates.kind == Kind::kWords || candidates.kind == Kind::kFiles) return {};
  context.saved_context = candidates.saved_context;
  if (!candidates.endpoint.empty()) context.client.endpoint = candidates.endpoint;
  if (!ResolveReach(!candidates.endpoint.empty(), false, &context).ok()) return {};
  context.client.request_timeout = kNamesTimeout;
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return {};
  if (candidates.kind == Kind::kBrokers) return BrokerNames(**admin);
  return candidates.kind == Kind::kTopics ? TopicNames(**admin) : GroupNames(**admin);
}

int PrintScript(const Context& context, const std::string& shell) {
  *context.out << (shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return kOk;
}

}  // namespace

Candidates Complete(const CLI::App& tree, const std::vector<std::string>& words) {
  Line line(tree);
  for (size_t i = 0; i + 1 < words.size(); ++i) line.Read(words[i]);
  return line.Complete(words.empty() ? "" : words.back());
}

int RunComplete(const std::vector<std::string>& words, Context context) {
  CLI::App tree;
  Context unused;
  BuildTree(tree, unused);
  const Candidates candidates = Complete(tree, words);
  if (candidates.kind == Kind::kFiles) {
    *context.out << ":files\n";
    return kOk;
  }
  for (const std::string& word : candidates.words) *context.out << word << "\n";
  const std::string typed = words.empty() ? "" : words.back();
  for (const std::string& name : NamesOf(candidates, context)) {
    if (name.starts_with(typed)) *context.out << name << "\n";
  }
  return kOk;
}

void AddCompletion(CLI::App& app, Context& context) {
  CLI::App* verb = app.add_subcommand(
      "completion", "Print a script that lets a shell complete commands, options and names");
  auto shell = std::make_shared<std::string>();
  OneOf(verb->add_option("SHELL", *shell, "The shell")->required(), {"bash", "zsh", "fish"});
  verb->footer(
      "In ~/.bashrc; zsh and fish have the like in ~/.zshrc and config.fish.\n"
      "Example:\n  source <(mansio completion bash)");
  verb->fallthrough();
  verb->callback([&context, shell] {
    context.needs_cluster = false;
    context.action = [&context, shell] { return PrintScript(context, *shell); };
  });
}

}  // namespace mansio::command
