package kubernetes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// trouble is why a workload does not become ready: the cause, as far as its pods tell.
type trouble struct {
	// kind is stable and what people search for: ImagePullBackOff, CrashLoopBackOff, Unschedulable, …
	kind string
	// pod and container are where; empty: it is of the workload itself.
	pod, container string
	text           string
	// final: waiting longer will not help. What was so before the wait began is not: its cause may have been repaired since.
	final bool
	// weight orders troubles: the greatest is told first.
	weight int
	// logs: the container's own last words say more.
	logs bool
}

func (t trouble) where() string {
	switch {
	case t.container != "":
		return "container " + t.container + " of pod " + t.pod
	case t.pod != "":
		return "pod " + t.pod
	}
	return ""
}

// restartsUntilFinal is how often a container may end before it is believed not to come up.
const restartsUntilFinal = 3

// troublesOf reads pods and the events about them, the most telling trouble first. since is when the wait for them began.
func troublesOf(pods []corev1.Pod, events []corev1.Event, since time.Time) []trouble {
	var found []trouble
	for i := range pods {
		found = append(found, podTroubles(&pods[i], eventsAbout(events, "Pod", pods[i].Name), since)...)
	}
	sortTroubles(found)
	return found
}

func sortTroubles(found []trouble) {
	slices.SortStableFunc(found, func(a, b trouble) int { return b.weight - a.weight })
}

func podTroubles(pod *corev1.Pod, events []corev1.Event, since time.Time) []trouble {
	var found []trouble
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for i := range statuses {
		if t, is := containerTrouble(pod.Name, &statuses[i], events); is {
			t.final = t.final && isNew(pod, &statuses[i], events, since)
			found = append(found, t)
		}
	}
	if len(found) > 0 {
		return found
	}
	if t, is := placementTrouble(pod, events); is {
		return []trouble{t}
	}
	return nil
}

// isNew reports whether what a container is in has come about since: its pod was made, its last run began, or its image
// could not be pulled since. The API tells times in whole seconds.
func isNew(pod *corev1.Pod, c *corev1.ContainerStatus, events []corev1.Event, since time.Time) bool {
	since = since.Truncate(time.Second)
	if !pod.CreationTimestamp.Time.Before(since) || c.State.Waiting != nil && c.State.Waiting.Reason == "InvalidImageName" {
		return true
	}
	if last := c.LastTerminationState.Terminated; last != nil && c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff" {
		return !last.StartedAt.Time.Before(since)
	}
	return slices.ContainsFunc(events, func(e corev1.Event) bool { return e.Reason == "Failed" && !cluster.EventTime(e).Before(since) })
}

// containerTrouble reads one container's state.
func containerTrouble(pod string, c *corev1.ContainerStatus, events []corev1.Event) (trouble, bool) {
	t := trouble{pod: pod, container: c.Name}
	if c.State.Waiting != nil {
		return waitingTrouble(t, c, events)
	}
	last := c.LastTerminationState.Terminated
	switch now := c.State.Terminated; {
	case now != nil && now.ExitCode != 0:
		t.kind, t.text, t.weight, t.logs = exitKind(now), "it "+ended(now), 70, true
		return t, true
	case c.State.Running != nil && !c.Ready && c.RestartCount > 0 && last != nil:
		t.kind, t.text, t.weight, t.logs = exitKind(last), fmt.Sprintf("it was started %d times; the last time it %s", c.RestartCount+1, ended(last)), 65, true
		if text := probeText(events); text != "" {
			t.text += "; " + text
		}
		return t, true
	case c.State.Running != nil && !c.Ready:
		text := probeText(events)
		if text == "" {
			return t, false
		}
		t.kind, t.text, t.weight, t.logs = "ProbeFailed", text, 50, true
		return t, true
	}
	return t, false
}

func waitingTrouble(t trouble, c *corev1.ContainerStatus, events []corev1.Event) (trouble, bool) {
	waiting := c.State.Waiting
	switch waiting.Reason {
	case "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError":
		answer := pullAnswer(waiting.Message, events)
		t.kind, t.weight = "ImagePullBackOff", 90
		if waiting.Reason == "InvalidImageName" || waiting.Reason == "ErrImageNeverPull" {
			t.kind = waiting.Reason
		}
		t.text = fmt.Sprintf("the image %s cannot be pulled: %s", c.Image, answer)
		t.final = t.kind != "ImagePullBackOff" || definite.MatchString(answer)
	case "CrashLoopBackOff":
		t.kind, t.weight, t.logs = "CrashLoopBackOff", 80, true
		t.text = fmt.Sprintf("it was started %d times and ended each time", c.RestartCount+1)
		if last := c.LastTerminationState.Terminated; last != nil {
			t.text = fmt.Sprintf("it was started %d times; the last time it %s", c.RestartCount+1, ended(last))
			if last.Reason == "OOMKilled" {
				t.kind = "OOMKilled"
			}
		}
		if text := probeText(events); text != "" && strings.Contains(text, "Liveness") {
			t.text += "; " + text
		}
		t.final = c.RestartCount >= restartsUntilFinal
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "PreStartHookError", "PostStartHookError":
		t.kind, t.weight, t.text, t.logs = waiting.Reason, 85, clip(plainRPC(waiting.Message), 600), false
	default:
		return t, false // ContainerCreating, PodInitializing
	}
	return t, true
}

// definite are answers of registries that the next try will get too.
var definite = regexp.MustCompile(`(?i)not found|manifest unknown|name unknown|denied|unauthori[sz]ed|no match for platform|invalid reference|forbidden`)

// pullAnswer is what the registry said, from the state or from the events, where it stands when the state only says that
// the kubelet backs off.
func pullAnswer(message string, events []corev1.Event) string {
	text := message
	for _, e := range slices.Backward(events) {
		if e.Reason == "Failed" && strings.Contains(e.Message, "Failed to pull image") {
			text = e.Message
			break
		}
	}
	text = plainRPC(text)
	for _, mark := range []string{"failed to resolve reference ", "failed to pull and unpack image "} {
		if _, rest, found := strings.Cut(text, mark); found {
			if _, after, ok := strings.Cut(rest, `": `); ok {
				text = after
			}
		}
	}
	if text == "" {
		text = "the kubelet says no more"
	}
	return clip(text, 600)
}

var rpcWords = regexp.MustCompile(`rpc error: code = \w+ desc = `)

func plainRPC(text string) string { return strings.TrimSpace(rpcWords.ReplaceAllString(text, "")) }

func exitKind(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "OOMKilled" {
		return "OOMKilled"
	}
	return "ContainerFailed"
}

// ended says how a container came to its end.
func ended(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason == "OOMKilled":
		return "was killed because it used more memory than its limit"
	case t.Signal != 0:
		return fmt.Sprintf("was ended by signal %d", t.Signal)
	case t.Message != "":
		return fmt.Sprintf("exited with %d (%s)", t.ExitCode, clip(strings.TrimSpace(t.Message), 300))
	default:
		return fmt.Sprintf("exited with %d", t.ExitCode)
	}
}

// probeText is the newest failure of a probe.
func probeText(events []corev1.Event) string {
	for _, e := range slices.Backward(events) {
		if e.Reason == "Unhealthy" {
			return clip(strings.TrimSpace(e.Message), 400)
		}
	}
	return ""
}

// placementTrouble is why a pod has no containers yet.
func placementTrouble(pod *corev1.Pod, events []corev1.Event) (trouble, bool) {
	t := trouble{pod: pod.Name}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			t.kind, t.weight, t.text = "Unschedulable", 60, "no node takes it: "+clip(c.Message, 600)
			return t, true
		}
	}
	if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "" {
		t.kind, t.weight, t.text = pod.Status.Reason, 60, clip(pod.Status.Message, 600)
		return t, true
	}
	for _, e := range slices.Backward(events) {
		switch e.Reason {
		case "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume":
			t.kind, t.weight, t.text = e.Reason, 55, clip(plainRPC(e.Message), 600)
			return t, true
		}
	}
	return t, false
}

func eventsAbout(events []corev1.Event, kind, name string) []corev1.Event {
	var found []corev1.Event
	for _, e := range events {
		if e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// said is what the cluster says of something, and when it said so last.
type said struct {
	text string
	at   time.Time
}

// creationTrouble is why a workload's pods could not even be made: quota, admission, a missing account. messages are of
// the conditions of the workload and of what it makes, and of the events about them.
func creationTrouble(messages []said, since time.Time) (trouble, bool) {
	var (
		found trouble
		is    bool
	)
	for _, m := range messages {
		kind := creationKind(m.text)
		if kind == "" {
			continue
		}
		if !is {
			found, is = trouble{kind: kind, weight: 95, text: clip(strings.TrimSpace(m.text), 700)}, true
		}
		found.final = found.final || !m.at.Before(since.Truncate(time.Second))
	}
	return found, is
}

func creationKind(text string) string {
	switch {
	case strings.Contains(text, "exceeded quota"):
		return "QuotaExceeded"
	case strings.Contains(text, "denied the request"), strings.Contains(text, "violates PodSecurity"), strings.Contains(text, "ValidatingAdmissionPolicy"):
		return "AdmissionDenied"
	case strings.Contains(text, "is forbidden"), strings.Contains(text, "is invalid"):
		return "PodsNotCreated"
	}
	return ""
}
