#include "common/config/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/limits.h"
#include "common/config/open_quote.h"
#include "common/files/recording_file_system.h"

namespace mansio::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

enum class Durability { kAsync, kSync };

struct TestConfig {
  HostPort listen;
  HostPort advertise;
  std::vector<HostPort> nameservers;
  std::string cluster;
  std::string path;
  Durability durability = Durability::kAsync;
  bool create_topics = true;
  uint32_t queues = 0;
  uint64_t body = 0;
  absl::Duration retention;
  NetworkLimits network;
  logging::LoggingOptions log;
};

Schema<TestConfig> MakeSchema() {
  Schema<TestConfig> schema;
  schema.Address("listen", &TestConfig::listen, "0.0.0.0:8081", "Where clients connect.")
      .Address("advertise", &TestConfig::advertise, "", "What routes contain.")
      .Addresses("nameservers", &TestConfig::nameservers, "The nameservers to register with.")
      .String("cluster", &TestConfig::cluster, "DefaultCluster", "The name of the cluster.")
      .Path("store.path", &TestConfig::path, "./mansio-data/broker", "Where data is kept.")
      .Enum<Durability>("durability", &TestConfig::durability, "sync",
                        {{"async", Durability::kAsync}, {"sync", Durability::kSync}},
                        "When a send is answered.",
                        {{"replica", "replica needs replication, which comes in a later version"}})
      .Bool("topics.create", &TestConfig::create_topics, false,
            "Whether topics come by themselves.")
      .Int("topics.queues", &TestConfig::queues, 8, {1, 1'024}, "queues", "Queues of a new topic.")
      .ChangesAtRunTime("topics.queues")
      .Size("limits.body", &TestConfig::body, 4 * kMiB, {1, 128 * kMiB}, "The largest body.")
      .Duration("store.retention", &TestConfig::retention, absl::Hours(72),
                {absl::Minutes(1), absl::Hours(24 * 365)}, "How long messages are kept.")
      .Rule({"limits.body", "limits.request-bytes"}, [](const TestConfig& config) {
        if (config.body <= static_cast<uint64_t>(config.network.request_bytes)) {
          return absl::OkStatus();
        }
        return absl::InvalidArgumentError("limits.body must not exceed limits.request-bytes");
      });
  AddNetworkLimits(schema, &TestConfig::network);
  AddLogging(schema, &TestConfig::log);
  return schema;
}

absl::StatusOr<TestConfig> Parse(std::string_view content,
                                 std::vector<std::string> overrides = {}) {
  return ParseConfig(MakeSchema(), "broker.yaml", content, overrides);
}

std::string ErrorOf(std::string_view content, std::vector<std::string> overrides = {}) {
  auto config = Parse(content, std::move(overrides));
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(Schema, AnEmptyFileGivesTheDefaults) {
  for (std::string_view content : {"", "# nothing\n", "---\n", "store:\n", "store: {}\n"}) {
    auto config = Parse(content);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->listen, (HostPort{"0.0.0.0", 8081}));
    EXPECT_TRUE(config->advertise.empty());
    EXPECT_THAT(config->nameservers, IsEmpty());
    EXPECT_EQ(config->durability, Durability::kSync);
    EXPECT_FALSE(config->create_topics);
    EXPECT_EQ(config->queues, 8u);
    EXPECT_EQ(config->body, 4u << 20);
    EXPECT_EQ(config->retention, absl::Hours(72));
    EXPECT_EQ(config->network.connections, 10'000);
    EXPECT_EQ(config->network.streams_per_connection, 1'024);
    EXPECT_EQ(config->network.request_header_bytes, 16 * kKiB);
    EXPECT_EQ(config->network.silent_connection, absl::Seconds(10));
    EXPECT_EQ(config->network.clients, 50'000);
    EXPECT_EQ(config->network.request_bytes, 32 * kMiB);
    EXPECT_EQ(config->log.level, logging::Level::kInfo);
  }
}

TEST(Schema, NestedAndDottedNamesMeanTheSame) {
  auto config = Parse(R"(
listen: "[::1]:9000"
nameservers: [ns-1:9876, "ns-2:9876"]
store:
  path: /data
  retention: 5m
topics.queues: 16
topics:
  create: true
limits:
  body: 512KiB
log: {level: error}
durability: async
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen, (HostPort{"::1", 9000}));
  EXPECT_THAT(config->nameservers, ElementsAre(HostPort{"ns-1", 9876}, HostPort{"ns-2", 9876}));
  EXPECT_EQ(config->path, "/data");
  EXPECT_EQ(config->retention, absl::Minutes(5));
  EXPECT_EQ(config->queues, 16u);
  EXPECT_TRUE(config->create_topics);
  EXPECT_EQ(config->body, 512u << 10);
  EXPECT_EQ(config->log.level, logging::Level::kError);
  EXPECT_EQ(config->durability, Durability::kAsync);
}

TEST(Schema, OverridesWinAndTheLastOneCounts) {
  auto config = Parse("cluster: file\n", {"cluster=first", "cluster=a=b", "topics.queues=2",
                                          "nameservers=a:1,b:2", "advertise=h:1"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster, "a=b");
  EXPECT_EQ(config->queues, 2u);
  EXPECT_THAT(config->nameservers, ElementsAre(HostPort{"a", 1}, HostPort{"b", 2}));
  EXPECT_EQ(config->advertise, (HostPort{"h", 1}));
}

TEST(Schema, AnEmptyListIsAnEmptyList) {
  for (std::string_view content : {"nameservers:", "nameservers: []", "nameservers: \"\""}) {
    auto config = Parse(content);
    ASSERT_TRUE(config.ok()) << content << config.status();
    EXPECT_THAT(config->nameservers, IsEmpty());
  }
  auto config = Parse("nameservers: [a:1]", {"nameservers=", "advertise="});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->nameservers, IsEmpty());
  EXPECT_TRUE(config->advertise.empty());
}

TEST(SchemaErrors, UnknownKeysNameLineAndTheNearestKey) {
  EXPECT_EQ(ErrorOf("cluster: c\nlimits:\n  bodi: 1MiB\n"),
            "broker.yaml:3: unknown key 'limits.bodi'; did you mean limits.body? "
            "(`mansio config explain` lists all keys)");
  EXPECT_THAT(ErrorOf("path: /x"), HasSubstr("did you mean store.path?"));
  EXPECT_EQ(
      ErrorOf("quite-something-else: 1"),
      "broker.yaml:1: unknown key 'quite-something-else'; `mansio config explain` lists all keys");
  EXPECT_THAT(ErrorOf("", {"listn=a:1"}), HasSubstr("--set listn: unknown key 'listn'; did you "
                                                    "mean listen?"));
  EXPECT_EQ(ErrorOf("", {"nonsense"}), "--set nonsense: it must have the form key=value");
  EXPECT_THAT(ErrorOf("listen: {host: a, port: 1}"), HasSubstr("unknown key 'listen.host'"));
  EXPECT_THAT(ErrorOf("limits: 5"), HasSubstr("'limits' is not a key but the beginning of some, "
                                              "such as limits.body"));
}

TEST(SchemaErrors, WrongTypesAndRangesSayWhatIsAllowed) {
  EXPECT_EQ(ErrorOf("topics.queues: many"),
            "broker.yaml:1: topics.queues: 'many' is not a whole number from 1 to 1024");
  EXPECT_THAT(ErrorOf("topics.queues: 1025"), HasSubstr("from 1 to 1024"));
  EXPECT_THAT(ErrorOf("topics.queues: 8.5"), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("topics.create: yes"), HasSubstr("'yes' is not true or false"));
  EXPECT_EQ(ErrorOf("\nlimits:\n  body: 129MiB"),
            "broker.yaml:3: limits.body: '129MiB' is not a size (B, KiB, MiB, GiB, TiB) from 1B to "
            "128MiB");
  EXPECT_THAT(ErrorOf("limits.body: 4MB"), HasSubstr("'4MB'"));
  EXPECT_THAT(ErrorOf("limits.body: 99999999999999TiB"), HasSubstr("is not a size"));
  EXPECT_THAT(ErrorOf("store.retention: 72"), HasSubstr("'72' is not a duration"));
  EXPECT_THAT(ErrorOf("store.retention: 72"), HasSubstr(", such as 1m"));
  EXPECT_THAT(ErrorOf("store.retention: 1s"), HasSubstr("from 1m to 365d"));
  EXPECT_EQ(ErrorOf("durability: sometimes"),
            "broker.yaml:1: durability: 'sometimes' is not one of async, sync");
  EXPECT_EQ(ErrorOf("", {"durability=replica"}),
            "--set durability: replica needs replication, which comes in a later version");
  EXPECT_THAT(ErrorOf("listen: 8081"), HasSubstr("'8081' is not an address HOST:PORT"));
  EXPECT_THAT(ErrorOf("listen:"), HasSubstr("listen"));
  EXPECT_THAT(ErrorOf("cluster:"), HasSubstr("it is empty"));
  EXPECT_THAT(ErrorOf("cluster: [a, b]"), HasSubstr("takes one value, not a list"));
  EXPECT_THAT(ErrorOf("topics.queues: [5]"), HasSubstr("takes one value, not a list"));
}

TEST(SchemaErrors, AllAreReportedAtOnce) {
  const std::string errors =
      ErrorOf("cluster: a\ncluster: b\ntopics.queues: 0\nfoo: 1\n", {"limits.body=x"});
  EXPECT_THAT(errors, HasSubstr("broker.yaml:2: cluster is set twice, first in line 1"));
  EXPECT_THAT(errors, HasSubstr("broker.yaml:3: topics.queues"));
  EXPECT_THAT(errors, HasSubstr("broker.yaml:4: unknown key 'foo'"));
  EXPECT_THAT(errors, HasSubstr("--set limits.body"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 3);
}

TEST(SchemaErrors, TheSameKeyNestedAndDottedIsSetTwice) {
  EXPECT_THAT(ErrorOf("store.path: /a\nstore:\n  path: /b\n"), HasSubstr("set twice"));
}

TEST(SchemaErrors, RulesOverSeveralKeys) {
  const std::string sentence = ": limits.body must not exceed limits.request-bytes";
  EXPECT_EQ(ErrorOf("\nlimits: {body: 64MiB}"), "broker.yaml:2" + sentence);
  EXPECT_EQ(ErrorOf("limits:\n  request-bytes: 1MiB\n"), "broker.yaml:2" + sentence)
      << "the other one is a default";
  EXPECT_EQ(ErrorOf("limits: {body: 64MiB}", {"limits.body=65MiB"}),
            "--set limits.body" + sentence);
  EXPECT_TRUE(Parse("limits: {body: 64MiB, request-bytes: 64MiB}").ok());
}

TEST(SchemaErrors, AKeyThatSaysNothingBesideAnotherIsRefusedEvenWithItsDefault) {
  Schema<TestConfig> schema = MakeSchema();
  schema.RefuseWhere([](const TestConfig& config) { return config.create_topics; }, "advertise",
                     "advertise says nothing here");
  const auto error_of = [&](std::string_view content) {
    return std::string(ParseConfig(schema, "broker.yaml", content, {}).status().message());
  };
  EXPECT_EQ(error_of("topics.create: true\nadvertise: a:1\n"),
            "broker.yaml:2: advertise says nothing here");
  EXPECT_EQ(error_of("advertise: a:1\n"), "");
  EXPECT_EQ(error_of("topics.create: true\nadvertise: \"\"\n"), "") << "empty is not set";
  EXPECT_EQ(error_of("topics.create: true\n"), "");
}

TEST(SchemaErrors, AQuoteEndsInItsLine) {
  const auto open_in = [](int line) {
    return fmt::format(
        "broker.yaml:{}: a quote that begins here does not end in this line; close it", line);
  };
  EXPECT_EQ(ErrorOf("cluster: a\nlisten: \"a:1\n"), open_in(2));
  EXPECT_EQ(ErrorOf("cluster: \"a\nlisten: a:1\nadvertise: \"b:1\"\n"), open_in(1));
  EXPECT_EQ(ErrorOf("cluster: 'a\nlisten: a:1"), open_in(1));
  EXPECT_EQ(ErrorOf("\"cluster: a\nlisten: a:1"), open_in(1));
  EXPECT_EQ(ErrorOf("nameservers:\n  - a:1\n  - \"b:1\n"), open_in(3));
  EXPECT_EQ(ErrorOf("nameservers: [a:1,\n  'b:1]\n"), open_in(2));
  EXPECT_EQ(ErrorOf("cluster: 'it''s\n"), open_in(1));
  EXPECT_EQ(ErrorOf("cluster: \"a\\\"\n"), open_in(1));
}

TEST(SchemaErrors, AQuoteInsideOfTextIsNone) {
  EXPECT_EQ(Parse("cluster: it's  # isn't \"it\nlisten: 'a:1'\n")->cluster, "it's");
  EXPECT_EQ(Parse("cluster: a, \"b\n")->cluster, "a, \"b");
  EXPECT_EQ(Parse("cluster: 'it''s'\n")->cluster, "it's");
  EXPECT_EQ(LineOfOpenQuote("a: |\n  \"b\nc: 'd'\n"), std::nullopt) << "a block of text";
  EXPECT_EQ(LineOfOpenQuote("a: |\n  \"b\nc: 'd\n"), 3);
}

TEST(SchemaErrors, BadYamlIsASentenceNotAnException) {
  EXPECT_THAT(ErrorOf("cluster: [a"), HasSubstr("broker.yaml:"));
  EXPECT_THAT(ErrorOf("\tcluster: a"), HasSubstr("not valid YAML"));
  EXPECT_THAT(ErrorOf("just text"), HasSubstr("key: value"));
  EXPECT_THAT(ErrorOf("- a\n- b\n"), HasSubstr("a list stands where"));
  EXPECT_THAT(ErrorOf("cluster: a\n---\ncluster: b\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(ErrorOf("nameservers: [[a:1]]"), HasSubstr("inside a list"));
  EXPECT_THAT(ErrorOf("nameservers: [{a: 1}]"), HasSubstr("inside a list"));
  EXPECT_THAT(ErrorOf("? {a: b}\n: c\n"), HasSubstr("where a key belongs"));
  EXPECT_NE(ErrorOf(std::string(100'000, '[')), "no error");
  EXPECT_NE(ErrorOf(std::string(100'000, '{')), "no error");
}

TEST(SchemaErrors, AliasesAreRefusedSoThatNothingExpands) {
  const std::string errors = ErrorOf("cluster: &name a\nstore: {path: *name}\n");
  EXPECT_THAT(errors, HasSubstr("broker.yaml:1: anchors"));
  EXPECT_THAT(errors, HasSubstr("broker.yaml:2: aliases"));
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += fmt::format("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", c,
                        static_cast<char>(c - 1));
  }
  EXPECT_THAT(ErrorOf(bomb), HasSubstr("aliases"));
}

TEST(SchemaErrors, HostileTextStaysOnItsLine) {
  const std::string errors = ErrorOf("\"a\\nb\": 1\ncluster: \"x\\ny\"\n");
  EXPECT_THAT(errors, HasSubstr("'a\\nb'"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1);
}

TEST(LoadConfig, ReadsAFileAndExplainsWhatIsMissing) {
  RecordingFileSystem files;
  ASSERT_TRUE(ReplaceFile(files, "/broker.yaml", "cluster: mine\n").ok());
  auto config = LoadConfig(files, MakeSchema(), "/broker.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster, "mine");
  EXPECT_TRUE(LoadConfig(files, MakeSchema(), "", {}).ok());
  const absl::Status missing = LoadConfig(files, MakeSchema(), "/none.yaml", {}).status();
  EXPECT_THAT(std::string(missing.message()), HasSubstr("--config /none.yaml: cannot open"));
  ASSERT_TRUE(ReplaceFile(files, "/big.yaml", std::string((1 << 20) + 1, '#')).ok());
  EXPECT_FALSE(LoadConfig(files, MakeSchema(), "/big.yaml", {}).ok());
}

TEST(Changes, OneKeyChangesAndTheOthersStay) {
  const Schema<TestConfig> schema = MakeSchema();
  const auto config = ParseConfig(schema, "f", "durability: async\nlisten: 127.0.0.1:9\n", {});
  ASSERT_TRUE(config.ok());
  const auto values = schema.ValuesOf(*config);
  const auto index = FindKey(schema.keys(), "durability");
  EXPECT_EQ(FormatValue(schema.keys()[*index], values[*index]), "async");
  const auto changed = schema.With(*config, "topics.queues", "16");
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(changed->queues, 16);
  EXPECT_EQ(changed->durability, Durability::kAsync);
  EXPECT_EQ(changed->listen.ToString(), "127.0.0.1:9");
  EXPECT_EQ(schema.With(*config, "topics.queues", "0").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(schema.With(*config, "listen", "a:1").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(schema.With(*config, "topics.queue", "1").status().code(), absl::StatusCode::kNotFound);
}

TEST(Describe, TheRenderedFileListsEveryKeyAndLoadsToTheDefaults) {
  const Schema<TestConfig> schema = MakeSchema();
  const std::string yaml = RenderDefault(schema.keys());
  EXPECT_THAT(UnlistedKeys(schema.keys(), yaml), IsEmpty());
  auto loaded = LoadValues(schema.keys(), "rendered", yaml, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status() << "\n" << yaml;
  for (size_t i = 0; i < loaded->values.size(); ++i) {
    EXPECT_EQ(loaded->values[i], schema.keys()[i].default_value) << schema.keys()[i].name;
  }
  EXPECT_THAT(UnlistedKeys(schema.keys(), "listen: a:1"), Not(IsEmpty()));
  EXPECT_THAT(yaml, HasSubstr("  # The largest body.\n"
                              "  # A size (B, KiB, MiB, GiB, TiB) from 1B to 128MiB. Changes at "
                              "the next start.\n"
                              "  body: 4MiB\n"));
}

TEST(Describe, ExplanationShowsDefaultAndNature) {
  const std::string text = Explain(MakeSchema().keys());
  EXPECT_THAT(text,
              HasSubstr("`topics.queues` (default 8)\n    Queues of a new topic.\n    A whole "
                        "number from 1 to 1024 (queues). Changes while the process runs.\n"));
  EXPECT_THAT(text, HasSubstr("`advertise` (default empty)"));
}

}  // namespace
}  // namespace mansio::config
