// With the Go client of openapi-generator: use_go URL PICTURE SMALL
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"pixelrnn"
)

var (
	client *pixelrnn.APIClient
	ctx    = context.Background()
)

// good is what was answered; the program ends with the problem that was answered instead.
func good[T any](answer T, response any, err error) T {
	if err != nil {
		panic(err)
	}
	return answer
}

func opened(path string) *os.File {
	file, err := os.Open(path)
	return good(file, nil, err)
}

func content(file *os.File) []byte {
	bytes, err := io.ReadAll(file)
	return good(bytes, nil, err)
}

func ended(job *pixelrnn.Job) *pixelrnn.Job {
	return good(client.JobsAPI.GetJob(ctx, job.Id).Wait(30).Execute())
}

func main() {
	url, picture, small := os.Args[1], os.Args[2], os.Args[3]
	configuration := pixelrnn.NewConfiguration()
	configuration.Servers = pixelrnn.ServerConfigurations{{URL: url}}
	client = pixelrnn.NewAPIClient(configuration)
	draw, jobs := client.DrawAPI, client.JobsAPI

	names := []string{}
	for _, model := range good(client.ModelsAPI.ListModels(ctx).Execute()).Models {
		names = append(names, model.Name)
	}
	fmt.Println("models:", strings.Join(names, " "))
	request := pixelrnn.NewSampleRequest("tiny-rgb")
	request.SetN(2)
	request.SetSeed(1<<53 - 1)
	sampled := ended(good(draw.CreateSample(ctx).SampleRequest(*request).Execute()))
	result := sampled.Result.Get().JobResult
	fmt.Println("sample:", sampled.Status, sampled.Seed, len(result.Images))

	png := content(good(jobs.GetImage(ctx, sampled.Id).Sample(1).Scale(2).Execute()))
	fmt.Printf("picture: %x\n", sha256.Sum256(png))

	events, rows := []pixelrnn.EventData{}, 0
	for _, line := range strings.Split(string(content(good(jobs.StreamEvents(ctx, sampled.Id).Execute()))), "\n") {
		if data, found := strings.CutPrefix(line, "data: "); found {
			var event pixelrnn.EventData
			good(event, nil, json.Unmarshal([]byte(data), &event))
			events = append(events, event)
			if event.RowEvent != nil {
				rows++
			}
		}
	}
	fmt.Println("events:", events[0].JobEvent.Type, rows, events[len(events)-1].JobEvent.Type)

	completion := draw.CreateCompletion(ctx).Model("tiny-cnn").Image([]*os.File{opened(picture)}).Mask([]*os.File{opened(picture)})
	fmt.Println("complete:", *ended(good(completion.Execute())).FilledPixels.Get())
	upsampling := draw.CreateUpsampling(ctx).Model("tiny-scales").Image(opened(small)).N(2)
	fmt.Println("upsample:", ended(good(upsampling.Execute())).RowsDone)
	score := draw.CreateScore(ctx).Model("tiny-cnn").Image([]*os.File{opened(picture)})
	fmt.Printf("score: %.3f\n", ended(good(score.Execute())).Result.Get().ScoreResult.Nats)

	request = pixelrnn.NewSampleRequest("tiny-diagonal")
	request.SetN(64)
	drawn := good(draw.CreateSample(ctx).SampleRequest(*request).Execute())
	good(jobs.CancelJob(ctx, drawn.Id).Execute())
	fmt.Println("cancel:", ended(drawn).Status)
	response, err := jobs.DeleteJob(ctx, drawn.Id).Execute()
	fmt.Println("delete:", good(response, nil, err).StatusCode)

	training := client.ModelsAPI.CreateTraining(ctx).Images([]*os.File{opened(picture), opened(picture)})
	trained := good(training.Name("by-go").Minutes(5).Crops(true).Execute())
	_, refusal, _ := jobs.FinishJob(ctx, trained.Id).Execute()
	good(jobs.CancelJob(ctx, trained.Id).Execute())
	fmt.Println("train:", trained.Kind, refusal.StatusCode, ended(trained).Status)
}
