#include "engine/vulkan/pipeline.h"

#include <xxhash.h>

#include <array>
#include <cstring>

#include "formats/atomic_file.h"
#include "formats/mapped_file.h"
#include "shaders/spirv.h"

namespace sain::engine::vulkan {
namespace {

uint64_t hash_of_shaders() {
  uint64_t hash = 0;
  for (const shaders::Spirv& shader : shaders::all_spirv()) {
    hash = XXH3_64bits_withSeed(shader.words.data(), shader.words.size_bytes(), hash);
  }
  return hash;
}

const shaders::Spirv* find(std::string_view name) {
  for (const shaders::Spirv& shader : shaders::all_spirv()) {
    if (shader.name == name) return &shader;
  }
  return nullptr;
}

const shaders::Spirv* find_variant(std::string_view name, const Capabilities& capabilities) {
  const shaders::Spirv* with_subgroups = capabilities.subgroups ? find(fmt::format("{}_subgroup", name)) : nullptr;
  return with_subgroups != nullptr ? with_subgroups : find(name);
}

}  // namespace

std::string PipelineFile::name(const DeviceInfo& info) {
  std::string uuid;
  for (uint8_t byte : info.uuid) uuid += fmt::format("{:02x}", byte);
  return fmt::format("{}-{:08x}-{:016x}.pipelines", uuid, info.driver_version, hash_of_shaders());
}

std::vector<std::byte> PipelineFile::read(const std::filesystem::path& path) {
  const Result<formats::MappedFile> file = formats::MappedFile::open(path);
  uint64_t checksum = 0;
  if (!file || file->bytes().size() <= sizeof checksum) return {};
  const std::span<const std::byte> data = file->bytes().subspan(sizeof checksum);
  std::memcpy(&checksum, file->bytes().data(), sizeof checksum);
  if (checksum != XXH3_64bits(data.data(), data.size())) return {};
  return {data.begin(), data.end()};
}

Status PipelineFile::write(const std::filesystem::path& path, std::span<const std::byte> data) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);  // a failure shows when the file is made
  SAIN_ASSIGN_OR_RETURN(formats::AtomicFile file, formats::AtomicFile::create(path));
  const uint64_t checksum = XXH3_64bits(data.data(), data.size());
  SAIN_RETURN_IF_ERROR(file.write(std::as_bytes(std::span(&checksum, 1))));
  SAIN_RETURN_IF_ERROR(file.write(data));
  return file.commit();
}

Result<std::unique_ptr<Pipelines>> Pipelines::create(Device& device, const std::filesystem::path& folder) {
  const DeviceApi& api = device.api();
  std::unique_ptr<Pipelines> pipelines(new Pipelines(device));
  if (device.capabilities().max_bindings < kBindings) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {}: {} storage buffers a shader, {} are needed",
                      device.info().name, device.capabilities().max_bindings, kBindings);
  }
  std::array<VkDescriptorSetLayoutBinding, kBindings> bindings = {};
  for (uint32_t i = 0; i < kBindings; ++i) {
    bindings[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
  }
  auto set = typed<VkDescriptorSetLayoutCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
  set.bindingCount = kBindings;
  set.pBindings = bindings.data();
  SAIN_ASSIGN_OR_RETURN(
      pipelines->set_layout_,
      make_handle<VkDescriptorSetLayout>(device, api.CreateDescriptorSetLayout, api.DestroyDescriptorSetLayout,
                                         "vkCreateDescriptorSetLayout", set));
  const VkDescriptorSetLayout set_layout = pipelines->set_layout_.get();
  const VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushBytes};
  auto layout = typed<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  layout.setLayoutCount = 1;
  layout.pSetLayouts = &set_layout;
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &push;
  SAIN_ASSIGN_OR_RETURN(pipelines->layout_,
                        make_handle<VkPipelineLayout>(device, api.CreatePipelineLayout, api.DestroyPipelineLayout,
                                                      "vkCreatePipelineLayout", layout));
  std::vector<std::byte> known;
  if (!folder.empty()) {
    pipelines->file_ = folder / PipelineFile::name(device.info());
    known = PipelineFile::read(pipelines->file_);
  }
  auto cache = typed<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  cache.initialDataSize = known.size();
  cache.pInitialData = known.data();
  SAIN_ASSIGN_OR_RETURN(pipelines->cache_,
                        make_handle<VkPipelineCache>(device, api.CreatePipelineCache, api.DestroyPipelineCache,
                                                     "vkCreatePipelineCache", cache));
  return pipelines;
}

Result<VkPipeline> Pipelines::get(std::string_view shader, std::span<const uint32_t> constants) {
  const shaders::Spirv* spirv = find_variant(shader, device_->capabilities());
  if (spirv == nullptr) return make_error(ErrorCode::kNotFound, "vulkan: there is no shader {}", shader);
  SAIN_CHECK(!constants.empty() && constants[0] <= device_->capabilities().max_workgroup);
  const std::pair key(std::string(shader), std::vector<uint32_t>(constants.begin(), constants.end()));
  std::unique_lock lock(mutex_);
  if (const auto found = pipelines_.find(key); found != pipelines_.end()) return found->second.get();
  lock.unlock();  // a driver takes up to seconds, while others need what there is
  auto pipeline = compile(spirv->words, constants);
  if (!pipeline) {
    return make_error(pipeline.error().code, "{} ({})", pipeline.error().message, spirv->name);
  }
  lock.lock();
  is_saved_ = false;
  return pipelines_.try_emplace(key, *std::move(pipeline)).first->second.get();  // somebody may have been faster
}

Result<Handle<VkPipeline>> Pipelines::compile(std::span<const uint32_t> spirv,
                                              std::span<const uint32_t> constants) const {
  const DeviceApi& api = device_->api();
  auto module = typed<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  module.codeSize = spirv.size_bytes();
  module.pCode = spirv.data();
  SAIN_ASSIGN_OR_RETURN(const Handle<VkShaderModule> code,
                        make_handle<VkShaderModule>(*device_, api.CreateShaderModule, api.DestroyShaderModule,
                                                    "vkCreateShaderModule", module));
  std::vector<VkSpecializationMapEntry> entries;
  for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, i * 4, 4});
  const VkSpecializationInfo specialization = {static_cast<uint32_t>(entries.size()), entries.data(),
                                               constants.size_bytes(), constants.data()};
  auto info = typed<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.stage = typed<VkPipelineShaderStageCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = code.get();
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = layout_.get();
  VkPipeline pipeline = VK_NULL_HANDLE;
  SAIN_RETURN_IF_ERROR(
      device_->check(api.CreateComputePipelines(device_->handle(), cache_.get(), 1, &info, nullptr, &pipeline),
                     "vkCreateComputePipelines"));
  return Handle<VkPipeline>(device_->handle(), pipeline, api.DestroyPipeline);
}

bool Pipelines::has(std::string_view shader) const {
  return find_variant(shader, device_->capabilities()) != nullptr;
}

Status Pipelines::save() {
  const std::lock_guard lock(mutex_);
  if (file_.empty() || is_saved_) return {};
  const DeviceApi& api = device_->api();
  size_t bytes = 0;
  SAIN_RETURN_IF_ERROR(device_->check(api.GetPipelineCacheData(device_->handle(), cache_.get(), &bytes, nullptr),
                                      "vkGetPipelineCacheData"));
  std::vector<std::byte> data(bytes);
  SAIN_RETURN_IF_ERROR(device_->check(api.GetPipelineCacheData(device_->handle(), cache_.get(), &bytes, data.data()),
                                      "vkGetPipelineCacheData"));
  data.resize(bytes);
  SAIN_RETURN_IF_ERROR(PipelineFile::write(file_, data));
  is_saved_ = true;
  return {};
}

}  // namespace sain::engine::vulkan
