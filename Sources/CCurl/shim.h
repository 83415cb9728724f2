// The checks are for literal option names; here every option comes through a parameter.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

// Swift can't call variadic functions: one door for each type of argument.

static inline CURLcode penstock_curl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode penstock_curl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode penstock_curl_set_headers(CURL *handle, struct curl_slist *headers) {
  return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

/// Both functions get the same context: `receive` each part of the body, `receive_header` each line before it.
static inline CURLcode penstock_curl_set_receivers(
    CURL *handle, size_t (*receive)(char *, size_t, size_t, void *),
    size_t (*receive_header)(char *, size_t, size_t, void *), void *context) {
  CURLcode code = curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
  if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
  if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, receive_header);
  return code == CURLE_OK ? curl_easy_setopt(handle, CURLOPT_HEADERDATA, context) : code;
}

static inline CURLcode penstock_curl_get_long(CURL *handle, CURLINFO info, long *value) {
  return curl_easy_getinfo(handle, info, value);
}

static inline CURLMcode penstock_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

/// The next transfer that has ended, with what came of it; null when there is none.
static inline CURL *penstock_curl_multi_next_end(CURLM *multi, CURLcode *result) {
  for (;;) {
    int left;
    CURLMsg *message = curl_multi_info_read(multi, &left);
    if (!message) return NULL;
    if (message->msg != CURLMSG_DONE) continue;
    *result = message->data.result;
    return message->easy_handle;
  }
}
