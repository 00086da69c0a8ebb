package githubtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	defaultPageSize = 30
	maxPageSize     = 100
)

// paged cuts a list to the page the request asks for and adds the Link header.
func paged[T any](c *call, list []T) (part []T, header http.Header) {
	size, page := pageOf(c.r)
	last := max(1, (len(list)+size-1)/size)
	header = http.Header{}
	if links := pageLinks(c, page, last); links != "" {
		header.Set("Link", links)
	}
	start := min(len(list), (page-1)*size)
	return list[start:min(len(list), start+size)], header
}

func pageOf(r *http.Request) (size, page int) {
	query := r.URL.Query()
	size, err := strconv.Atoi(query.Get("per_page"))
	if err != nil || size < 1 {
		size = defaultPageSize
	}
	page, err = strconv.Atoi(query.Get("page"))
	if err != nil || page < 1 || page > 1_000_000 {
		page = 1
	}
	return min(size, maxPageSize), page
}

func pageLinks(c *call, page, last int) string {
	var links []string
	add := func(rel string, to int) {
		u := url.URL{Path: c.r.URL.Path, RawPath: c.r.URL.RawPath}
		query := c.r.URL.Query()
		query.Set("page", strconv.Itoa(to))
		u.RawQuery = query.Encode()
		links = append(links, fmt.Sprintf(`<%s%s>; rel="%s"`, c.g.base, u.String(), rel))
	}
	if page > 1 {
		add("prev", page-1)
	}
	if page < last {
		add("next", page+1)
		add("last", last)
	}
	if page > 1 {
		add("first", 1)
	}
	return strings.Join(links, ", ")
}

// pagedList answers with a page of a list of documents.
func pagedList[T any](c *call, list []T, render func(T) doc) (reply, error) {
	part, header := paged(c, list)
	return reply{status: http.StatusOK, body: renderAll(part, render), header: header}, nil
}

// pagedObject answers with a page of a list below a key, beside its total.
func pagedObject[T any](c *call, key string, list []T, render func(T) doc) (reply, error) {
	part, header := paged(c, list)
	return reply{status: http.StatusOK, body: doc{"total_count": len(list), key: renderAll(part, render)}, header: header}, nil
}

func renderAll[T any](list []T, render func(T) doc) []doc {
	docs := make([]doc, 0, len(list))
	for _, item := range list {
		docs = append(docs, render(item))
	}
	return docs
}
