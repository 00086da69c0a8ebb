package kubernetes

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// inventoryOf is that of a run, in a cluster in which another run holds it.
func inventoryOf(t *testing.T, holder string) (*inventory, *kubefake.Clientset) {
	t.Helper()
	w, _ := fakeWorld()
	fake := kubefake.NewClientset(typed[*corev1.ConfigMap](t, "metadata: {name: slipway-x, namespace: shop}\ndata: {applying: run 1, beat: once}\n"))
	w.Kube = fake
	return &inventory{world: w, name: "slipway-x", namespace: "shop", holder: holder}, fake
}

// TestADeadDeployIsTakenOver also where a deploy has less patience than it takes to be sure.
func TestADeadDeployIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, _ := inventoryOf(t, "run 2")
		if again, err := list.hold(t.Context(), time.Second, func(string) {}); again || err != nil {
			t.Errorf("%t, %v", again, err)
		}
		if found, err := list.read(t.Context()); err != nil || found.Data[inventoryHolder] != "run 2" {
			t.Errorf("%v, %v", found, err)
		}
	})
}

// TestAnOutageIsNoSilence: while the server is away nobody can tell that it is alive.
func TestAnOutageIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, fake := inventoryOf(t, "run 2")
		began := time.Now()
		fake.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
			gone := time.Since(began)
			if gone > 5*time.Second && gone < 2*deadAfter {
				return true, nil, &cluster.Problem{Title: "away", Unreachable: true}
			}
			return false, nil, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*deadAfter+20*time.Second)
		defer cancel()
		if _, err := list.hold(ctx, time.Hour, func(string) {}); err == nil {
			t.Error("it was taken over from one that could not tell that it was alive")
		}
	})
}

// TestLetGoWhenTimeIsUp: going back to a release may take longer than is given for clearing up.
func TestLetGoWhenTimeIsUp(t *testing.T) {
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "slipway-x", Namespace: "shop"}, Data: map[string]string{inventoryHolder: "run 2"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if err := json.NewDecoder(r.Body).Decode(held); err != nil {
				t.Error(err)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(held)
	}))
	defer server.Close()
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	list, _ := inventoryOf(t, "run 2")
	list.Kube = kube
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	d := &deploy{s: stagetest.New(t, stagetest.Options{})}
	if said := d.letGo(late, &rollout{deploy: d, list: list}); said != "" || held.Data[inventoryHolder] != "" {
		t.Errorf("%s: %v", said, held.Data)
	}
}
