#ifndef MANSIO_COMMON_CONFIG_SCHEMA_H_
#define MANSIO_COMMON_CONFIG_SCHEMA_H_

// Typed configuration: a list of keys, each bound to a member of a struct.
//
//   const Schema<BrokerConfig>& BrokerSchema() {
//     static const auto* const schema = new Schema<BrokerConfig>(Schema<BrokerConfig>()
//         .Address("listen", &BrokerConfig::listen, "0.0.0.0:8081", "Where clients connect.")
//         .Size("limits.body", &BrokerConfig::max_body, 4 * kMiB, {1, 128 * kMiB},
//               "The largest body of a message."));
//     return *schema;
//   }
//   auto config = LoadConfig(files, BrokerSchema(), "conf/broker.yaml", {"listen=0.0.0.0:9000"});
//
// A member is given as a member pointer, or as any callable that takes Config& and returns a
// reference. Defaults come from the schema alone. A schema is built once by one thread and read by
// any number.

#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/describe.h"
#include "common/config/loader.h"
#include "common/config/value.h"

namespace mansio::config {

struct IntRange {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
};

struct DurationRange {
  absl::Duration min;
  absl::Duration max;
};

// One word of an enumeration and the value it stands for.
template <typename E>
struct Word {
  std::string word;
  E value;
};

template <typename Config>
class Schema {
 public:
  using config_type = Config;

  template <typename Access>  // -> bool&
  Schema& Bool(std::string name, Access access, bool default_value, std::string explanation) {
    Add(std::move(name), ValueType::kBool, Value(default_value), std::move(explanation));
    return BindAs<bool>(access);
  }

  // A whole number of `unit`.
  template <typename Access>  // -> any integer&
  Schema& Int(std::string name, Access access, int64_t default_value, IntRange range,
              std::string unit, std::string explanation) {
    Key& key = Add(std::move(name), ValueType::kInt, Value(default_value), std::move(explanation));
    key.unit = std::move(unit);
    return Number(key, access, range);
  }

  // A number of bytes.
  template <typename Access>  // -> any integer&
  Schema& Size(std::string name, Access access, int64_t default_value, IntRange range,
               std::string explanation) {
    Key& key = Add(std::move(name), ValueType::kSize, Value(default_value), std::move(explanation));
    return Number(key, access, range);
  }

  template <typename Access>  // -> absl::Duration&
  Schema& Duration(std::string name, Access access, absl::Duration default_value,
                   DurationRange range, std::string explanation) {
    Key& key =
        Add(std::move(name), ValueType::kDuration, Value(default_value), std::move(explanation));
    key.min_duration = range.min;
    key.max_duration = range.max;
    return BindAs<absl::Duration>(access);
  }

  // Text. It may be empty if the default is. `check`, if given, refuses text with a sentence.
  template <typename Access>  // -> std::string&
  Schema& String(std::string name, Access access, std::string default_value,
                 std::string explanation,
                 std::function<absl::Status(std::string_view)> check = nullptr) {
    return Text(ValueType::kString, std::move(name), access, std::move(default_value),
                std::move(explanation), std::move(check));
  }

  // The path of a file or directory. It may be empty if the default is.
  template <typename Access>  // -> std::string&
  Schema& Path(std::string name, Access access, std::string default_value,
               std::string explanation) {
    return Text(ValueType::kPath, std::move(name), access, std::move(default_value),
                std::move(explanation), nullptr);
  }

  // One of `words`; `default_word` is one of them. The empty word says that nothing is set: another
  // one is to have the same value. `refused` are words with an answer of their own, for example
  // values that a later version will know.
  template <typename E, typename Access>  // Access -> E&
  Schema& Enum(std::string name, Access access, std::string default_word,
               std::vector<Word<E>> words, std::string explanation,
               std::vector<Refused> refused = {}) {
    Key& key = Add(std::move(name), ValueType::kEnum, Value(std::move(default_word)),
                   std::move(explanation));
    for (const Word<E>& word : words) {
      if (!word.word.empty()) key.words.push_back(word.word);
      key.may_be_empty = key.may_be_empty || word.word.empty();
    }
    key.refused = std::move(refused);
    return Bind(
        [access, words](Config& config, const Value& value) {
          for (const Word<E>& word : words) {
            if (word.word == std::get<std::string>(value)) std::invoke(access, config) = word.value;
          }
        },
        [access, words](Config& config) -> Value {
          for (const Word<E>& word : words) {
            if (word.value == std::invoke(access, config)) return word.word;
          }
          return std::string();
        });
  }

  // An address HOST:PORT. It may be empty if the default is "".
  template <typename Access>  // -> HostPort&
  Schema& Address(std::string name, Access access, std::string_view default_value,
                  std::string explanation) {
    auto address = default_value.empty() ? HostPort() : ParseHostPort(default_value);
    Key& key = Add(std::move(name), ValueType::kHostPort, Value(address.value_or(HostPort())),
                   std::move(explanation));
    key.may_be_empty = default_value.empty();
    return BindAs<HostPort>(access);
  }

  // A list of addresses, empty by default.
  template <typename Access>  // -> std::vector<HostPort>&
  Schema& Addresses(std::string name, Access access, std::string explanation) {
    Add(std::move(name), ValueType::kHostPorts, Value(std::vector<HostPort>()),
        std::move(explanation));
    return BindAs<std::vector<HostPort>>(access);
  }

  // The key of that name can change while the process runs.
  Schema& ChangesAtRunTime(std::string_view name) {
    for (Key& key : keys_) key.run_time = key.run_time || key.name == name;
    return *this;
  }

  // A rule over these keys; its sentence names them. Checked when every key by itself is good. The
  // error begins with where the first of them was set that was set at all.
  Schema& Rule(std::vector<std::string> keys, std::function<absl::Status(const Config&)> rule) {
    rules_.push_back({std::move(keys), [rule = std::move(rule)](const Config& config, const auto&) {
                        return rule(config);
                      }});
    return *this;
  }

  // Where `rule` holds, `key` must not be set, not even to its default; empty counts as not set.
  Schema& RefuseWhere(std::function<bool(const Config&)> rule, std::string key,
                      std::string sentence) {
    const auto refuse = [rule = std::move(rule), sentence = std::move(sentence)](
                            const Config& config, const std::vector<std::string>& set) {
      const bool good = set.empty() || !rule(config);
      return good ? absl::OkStatus() : absl::InvalidArgumentError(sentence);
    };
    rules_.push_back({{std::move(key)}, refuse});
    return *this;
  }

  absl::Span<const Key> keys() const { return keys_; }

  // The struct with one value per key.
  absl::StatusOr<Config> Build(const LoadedValues& loaded) const {
    Config config;
    for (size_t i = 0; i < binders_.size(); ++i) binders_[i](config, loaded.values[i]);
    std::string errors;
    for (const RuleOverKeys& rule : rules_) {
      const std::vector<std::string> set = OriginsOf(rule.keys, loaded);
      const absl::Status status = rule.check(config, set);
      if (status.ok()) continue;
      if (!errors.empty()) errors += "\n";
      if (!set.empty()) errors += set.front() + ": ";
      errors.append(status.message().data(), status.message().size());
    }
    if (!errors.empty()) return absl::InvalidArgumentError(errors);
    return config;
  }

  // What Build made the struct of: a value for each key.
  std::vector<Value> ValuesOf(Config config) const {
    std::vector<Value> values;
    for (const Reader& reader : readers_) values.push_back(reader(config));
    return values;
  }

  // The struct with another value for one key that can change while the process runs. NotFound for
  // a key that there is not, FailedPrecondition for one that changes at the next start,
  // InvalidArgument for a value that the key or a rule refuses.
  absl::StatusOr<Config> With(const Config& config, std::string_view name,
                              std::string_view text) const {
    const auto change = ParseChange(keys_, name, text);
    if (!change.ok()) return change.status();
    std::vector<Value> values = ValuesOf(config);
    values[change->index] = change->value;
    return Build({std::move(values), {}});
  }

  // The struct with every default.
  Config Defaults() const {
    Config config;
    for (size_t i = 0; i < binders_.size(); ++i) binders_[i](config, keys_[i].default_value);
    return config;
  }

 private:
  using Binder = std::function<void(Config&, const Value&)>;
  using Reader = std::function<Value(Config&)>;
  struct RuleOverKeys {
    std::vector<std::string> keys;
    // `set`: where those of the keys were set that were, in their order.
    std::function<absl::Status(const Config&, const std::vector<std::string>& set)> check;
  };

  std::vector<std::string> OriginsOf(const std::vector<std::string>& names,
                                     const LoadedValues& loaded) const {
    std::vector<std::string> origins;
    for (const std::string& name : names) {
      for (size_t i = 0; i < loaded.origins.size(); ++i) {
        if (keys_[i].name != name || loaded.origins[i].empty()) continue;
        if (!FormatValue(keys_[i], loaded.values[i]).empty()) origins.push_back(loaded.origins[i]);
      }
    }
    return origins;
  }

  Key& Add(std::string name, ValueType type, Value default_value, std::string explanation) {
    Key& key = keys_.emplace_back();
    key.name = std::move(name);
    key.type = type;
    key.default_value = std::move(default_value);
    key.explanation = std::move(explanation);
    return key;
  }

  Schema& Bind(Binder binder, Reader reader) {
    binders_.push_back(std::move(binder));
    readers_.push_back(std::move(reader));
    return *this;
  }

  // Of a member that has the type of the value.
  template <typename T, typename Access>
  Schema& BindAs(Access access) {
    return Bind([access](Config& config,
                         const Value& value) { std::invoke(access, config) = std::get<T>(value); },
                [access](Config& config) -> Value { return T(std::invoke(access, config)); });
  }

  template <typename Access>
  Schema& Number(Key& key, Access access, IntRange range) {
    using Member = std::remove_reference_t<std::invoke_result_t<Access, Config&>>;
    static_assert(std::is_integral_v<Member>);
    key.min = range.min;
    key.max = range.max;
    if (std::cmp_greater(key.max, std::numeric_limits<Member>::max())) {
      key.max = static_cast<int64_t>(std::numeric_limits<Member>::max());
    }
    return Bind(
        [access](Config& config, const Value& value) {
          std::invoke(access, config) = static_cast<Member>(std::get<int64_t>(value));
        },
        [access](Config& config) -> Value {
          return static_cast<int64_t>(std::invoke(access, config));
        });
  }

  template <typename Access>
  Schema& Text(ValueType type, std::string name, Access access, std::string default_value,
               std::string explanation, std::function<absl::Status(std::string_view)> check) {
    const bool may_be_empty = default_value.empty();
    Key& key = Add(std::move(name), type, Value(std::move(default_value)), std::move(explanation));
    key.may_be_empty = may_be_empty;
    key.check = std::move(check);
    return BindAs<std::string>(access);
  }

  std::vector<Key> keys_;
  std::vector<Binder> binders_;
  std::vector<Reader> readers_;
  std::vector<RuleOverKeys> rules_;
};

// The configuration in `content` (named `file` in errors) with `overrides` ("key=value") on top.
// InvalidArgument with all errors, one per line: "conf/broker.yaml:12: limits.body: '9GiB' is not a
// size from 1B to 128MiB".
template <typename Config>
absl::StatusOr<Config> ParseConfig(const Schema<Config>& schema, std::string_view file,
                                   std::string_view content,
                                   absl::Span<const std::string> overrides) {
  auto loaded = LoadValues(schema.keys(), file, content, overrides);
  if (!loaded.ok()) return loaded.status();
  return schema.Build(*loaded);
}

// The same with the file at `path`; an empty path means defaults and overrides only.
template <typename Config>
absl::StatusOr<Config> LoadConfig(FileSystem& files, const Schema<Config>& schema,
                                  std::string_view path, absl::Span<const std::string> overrides) {
  auto content = ReadConfigFile(files, path);
  if (!content.ok()) return content.status();
  return ParseConfig(schema, path, *content, overrides);
}

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_SCHEMA_H_
