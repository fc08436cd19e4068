#include "router/classifier.h"

#include <sodium.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>

namespace sain::router {
namespace {

/// Changes whenever features or head are computed differently, so that old files are trained anew.
constexpr uint32_t kRecipe = 5;

constexpr std::string_view kHeadFiles = ".head", kFeatureFiles = ".features";

class Hash {
 public:
  Hash() { crypto_generichash_init(&state_, nullptr, 0, HeadKey{}.size()); }

  void add(std::string_view bytes) {
    const uint64_t size = bytes.size();  // so that the border between two strings counts
    crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(&size), sizeof size);
    crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  void add(uint64_t number) { add({reinterpret_cast<const char*>(&number), sizeof number}); }

  HeadKey finish() {
    HeadKey key;
    crypto_generichash_final(&state_, key.data(), key.size());
    return key;
  }

 private:
  crypto_generichash_state state_;
};

Status add_file(Hash& hash, const std::filesystem::path& path) {
  constexpr uint64_t kSamples = 16, kSampleBytes = 64 << 10;
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return make_error(ErrorCode::kIo, "{}: {}", path.string(), error.message());
  hash.add(size);
  std::ifstream file(path, std::ios::binary);
  std::string sample(kSampleBytes, '\0');
  for (uint64_t i = 0; i < kSamples; ++i) {
    file.clear();
    file.seekg(static_cast<std::streamoff>(size / kSamples * i));
    file.read(sample.data(), static_cast<std::streamsize>(sample.size()));
    if (file.bad() || !file.is_open()) return make_error(ErrorCode::kIo, "{}: cannot be read", path.string());
    hash.add({sample.data(), static_cast<size_t>(file.gcount())});
  }
  return {};
}

/// What a head depends on: its features, and every example of every intent.
HeadKey route_head_key(const HeadKey& features, const Registry& registry) {
  Hash hash;
  hash.add({reinterpret_cast<const char*>(features.data()), features.size()});
  for (size_t i = 0; i < registry.size(); ++i) {
    if (registry.member(SpecialistId(i)).intents.empty()) continue;
    hash.add(registry.snapshot().names[i]);
    for (const Intent& intent : registry.member(SpecialistId(i)).intents) {
      hash.add(intent.name);
      hash.add(intent.examples.size());
      for (const std::string& example : intent.examples) hash.add(example);
    }
  }
  hash.add(registry.background().size());
  for (const std::string& text : registry.background()) hash.add(text);
  return hash.finish();
}

/// One file for each key, so that two configurations do not write over each other's.
std::filesystem::path file_of(const std::filesystem::path& folder, const HeadKey& key, std::string_view extension) {
  std::string name = "route-";
  for (size_t i = 0; i < 8; ++i) name += fmt::format("{:02x}", key[i]);
  return folder / name.append(extension);
}

/// Deletes all but the newest files of a kind.
void prune(const std::filesystem::path& folder, std::string_view extension) {
  constexpr size_t kMostFiles = 8;
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().extension() == extension) files.emplace_back(entry.last_write_time(ignored), entry.path());
  std::sort(files.rbegin(), files.rend());
  for (size_t i = kMostFiles; i < files.size(); ++i) std::filesystem::remove(files[i].second, ignored);
}

}  // namespace

Result<HeadKey> feature_key(std::span<const std::filesystem::path> files, uint32_t layer) {
  Hash hash;
  hash.add(kRecipe);
  for (const std::filesystem::path& file : files) SAIN_RETURN_IF_ERROR(add_file(hash, file));
  hash.add(layer);
  return hash.finish();
}

Result<HeadExamples> extract_examples(const Registry& registry, FeatureExtractor& features, FeatureCache& cache,
                                      const TrainingObserver& observer, std::stop_token stop) {
  size_t n_examples = registry.background().size();
  for (size_t i = 0; i < registry.size(); ++i)
    for (const Intent& intent : registry.member(SpecialistId(i)).intents) n_examples += intent.examples.size();

  HeadExamples examples{.views = features.views()};
  const auto extract = [&features](std::string_view text) { return features.extract(text); };
  const auto add = [&](const std::string& text, std::string_view whose) -> Status {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "the training was stopped");
    const auto values = cache.get(text, extract);
    if (!values)
      return make_error(values.error().code, "example \"{}\" of {}: {}", text, whose, values.error().message);
    examples.features.insert(examples.features.end(), values->begin(), values->end());
    examples.labels.push_back(examples.n_intents);
    if (observer.progress)
      observer.progress(static_cast<double>(examples.labels.size()) / static_cast<double>(n_examples));
    return {};
  };
  for (size_t i = 0; i < registry.size(); ++i) {
    for (const Intent& intent : registry.member(SpecialistId(i)).intents) {
      const std::string name = fmt::format("{}/{}", registry.snapshot().names[i], intent.name);
      for (const std::string& example : intent.examples) SAIN_RETURN_IF_ERROR(add(example, name));
      examples.intent_group.push_back(static_cast<uint32_t>(i));
      ++examples.n_intents;
    }
  }
  for (const std::string& text : registry.background()) SAIN_RETURN_IF_ERROR(add(text, "the background"));
  return examples;
}

Result<Classifier> Classifier::open(const Registry& registry, std::shared_ptr<FeatureExtractor> features,
                                    const HeadKey& key, const std::filesystem::path& folder,
                                    const TrainingObserver& observer, Retrain retrain, std::stop_token stop) {
  Classifier classifier(std::move(features));
  const size_t n_intents = registry.snapshot().intents.size();
  if (n_intents == 0) return classifier;
  const HeadKey head_key = route_head_key(key, registry);
  classifier.head_file_ = file_of(folder, head_key, kHeadFiles);

  std::string why = "the router is trained anew";
  if (retrain == Retrain::kIfStale) {
    auto head = RouteHead::load(classifier.head_file_, head_key);
    if (head && head->n_intents() == n_intents) {
      classifier.head_ = *std::move(head);
      return classifier;
    }
    if (head) {
      why = fmt::format("{}: holds {} intents; the router is trained anew", classifier.head_file_.string(),
                        head->n_intents());
    } else if (head.error().code == ErrorCode::kNotFound) {
      why = "the router is trained once for this assistant and these examples";
    } else {
      why = head.error().message + "; the router is trained anew";
    }
  }
  if (observer.say) observer.say(why);
  const std::filesystem::path cache_file = file_of(folder, key, kFeatureFiles);
  std::error_code ignored;
  if (retrain == Retrain::kAlways) std::filesystem::remove(cache_file, ignored);
  FeatureCache cache = FeatureCache::load(cache_file, key, classifier.features_->n_features());
  SAIN_ASSIGN_OR_RETURN(const HeadExamples examples,
                        extract_examples(registry, *classifier.features_, cache, observer, std::move(stop)));
  SAIN_ASSIGN_OR_RETURN(classifier.head_, RouteHead::train(examples));
  for (const Status& saved : {cache.save(), classifier.head_.save(classifier.head_file_, head_key)})
    if (!saved && observer.say) observer.say(saved.error().message);
  prune(folder, kHeadFiles);
  prune(folder, kFeatureFiles);
  return classifier;
}

Result<Classification> Classifier::classify(std::string_view text) const {
  if (head_.n_intents() == 0) return Classification{};
  SAIN_ASSIGN_OR_RETURN(const std::vector<float> features, features_->extract(text));
  return head_.classify(features);
}

}  // namespace sain::router
